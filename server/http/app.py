"""The ASGI application: routes, and what surrounds them."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from server.connections import Bounds, Service
from server.graphql.execution import Execution
from server.graphql.mutations import Mutations
from server.graphql.streams import Streams
from server.http.edge import Edge
from server.http.graphql import GraphQL
from server.http.health import Ready, healthz, readyz
from server.http.navigation import Navigation, Page
from server.http.origin import Origins
from server.http.plain import http_error
from server.sse.endpoint import EventStream
from server.websocket.entry import GraphQLSocket


class Application(Starlette):
    """Sockets come to their endpoint past Starlette, whose stack would stay in memory with each of them."""

    def __init__(self, socket: ASGIApp, origins: Origins, **options: Any) -> None:
        super().__init__(**options)
        self._socket = socket
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            self._origins.note(scope)
        if scope["type"] == "websocket" and scope["path"] == f"{scope.get('root_path', '')}/graphql":
            await self._socket(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def build_app(
    execution: Execution,
    *,
    allowed_origins: Collection[str],
    ready: Ready,
    trusted_proxies: Sequence[str] = (),
    streams: Streams | None = None,
    lifespan: Lifespan[Starlette] | None = None,
    bounds: Bounds | None = None,
    page: Page | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Make the application around what executes operations.

    allowed_origins: whose pages may call (scheme, host and port, as browsers send them in Origin). ready:
    returns when the database and Valkey are reachable, raises `health.NotReady` with the names of what is
    not. trusted_proxies: addresses or networks whose X-Forwarded-For counts. streams: what feeds subscriptions;
    without it there are none. lifespan: what is up while the application is; it is left only after the last mutation
    has ended. bounds: of a socket. page: what a browser gets that navigates to /graphql.
    """
    mutations = Mutations()
    graphql = GraphQL(execution, mutations)
    service = Service(execution, mutations, streams, bounds or Bounds())

    @asynccontextmanager
    async def alive(app: Starlette) -> AsyncIterator[Any]:
        if lifespan is None:
            yield None
            await mutations.finish()
        else:
            async with lifespan(app) as state:
                yield state
                await mutations.finish()

    made = Application(
        GraphQLSocket(service, allowed_origins),
        Origins(trusted_proxies),
        routes=[
            Route("/graphql", graphql if page is None else Navigation(graphql, page)),
            Route("/graphql/stream", EventStream(service)),
            Route("/healthz", healthz),
            Route("/readyz", readyz(ready)),
            *routes,
        ],
        middleware=[Middleware(Edge, allowed_origins)],
        exception_handlers={HTTPException: http_error},
        lifespan=alive,
    )
    # A redirect would repeat whatever Host the request named.
    made.router.redirect_slashes = False
    return made
