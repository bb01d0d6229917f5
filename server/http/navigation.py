"""/graphql for browsers: who navigates there gets a page, and everything else goes to GraphQL.

A navigation is a GET that asks for nothing (no parameter `query`) and takes HTML rather than what GraphQL is answered
in, as browsers say of an address that somebody opens.
"""

from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.http import accept
from server.http.request import Head

Page = Callable[[Request], Response]


class Navigation:
    """ASGI application in front of another one."""

    def __init__(self, graphql: ASGIApp, page: Page) -> None:
        self._graphql = graphql
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if navigates(scope):
            await self._page(Request(scope))(scope, receive, send)
        else:
            await self._graphql(scope, receive, send)


def navigates(scope: Scope) -> bool:
    if scope["method"] not in ("GET", "HEAD") or not accept.prefers_html(Head.of(scope).accept):
        return False
    names = (name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return "query" not in names
