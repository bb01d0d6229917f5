"""The ASGI application: routes, and what surrounds them."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import Lifespan

from server.graphql.engine import Engine
from server.graphql.execution import Execution
from server.graphql.limits import Limits
from server.http.edge import Edge
from server.http.graphql import GraphQL
from server.http.health import Ready, healthz, readyz
from server.http.plain import http_error


def build_app(
    engine: Engine,
    *,
    allowed_origins: Collection[str],
    ready: Ready,
    lifespan: Lifespan[Starlette] | None = None,
    introspection: bool = True,
    limits: Limits | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Make the application around an engine.

    allowed_origins: whose pages may call (scheme, host and port, as browsers send them in Origin). ready:
    returns when the database and Valkey are reachable, raises `health.NotReady` with the names of what is
    not. lifespan: what is up while the application is; it is left only after the last mutation has ended.
    """
    graphql = GraphQL(Execution(engine, limits=limits, introspection=introspection))

    @asynccontextmanager
    async def alive(app: Starlette) -> AsyncIterator[Any]:
        if lifespan is None:
            yield None
            await graphql.finish()
        else:
            async with lifespan(app) as state:
                yield state
                await graphql.finish()

    return Starlette(
        routes=[
            Route("/graphql", graphql),
            Route("/healthz", healthz),
            Route("/readyz", readyz(ready)),
            *routes,
        ],
        middleware=[Middleware(Edge, allowed_origins)],
        exception_handlers={HTTPException: http_error},
        lifespan=alive,
    )
