"""The edge of the application: what every response has, and what becomes of an unexpected exception."""

import logging
from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import fault
from server.http.plain import json_response

log = logging.getLogger("parley.http")

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class Edge:
    """ASGI middleware: CORS, security headers, and the end of exceptions.

    Exceptions end here and not in the server's own log, which would print their texts. Tokens travel in a
    header, not in a cookie, so no page is let in with credentials.
    """

    def __init__(self, app: ASGIApp, allowed_origins: Collection[str]) -> None:
        self._app = app
        self._cors = CORSMiddleware(
            self._guarded,
            allow_origins=allowed_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type"),
            max_age=7200,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Apps and servers send no Origin and need no CORS; it costs as much as all the rest of the way in.
        crossing = any(name == b"origin" for name, _ in scope["headers"])
        headers = _ALWAYS if crossing else (*_ALWAYS, (b"vary", b"Origin"))

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await (self._cors if crossing else self._guarded)(scope, receive, secured)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            error_id = fault.record(log, error, f"at {scope['method']} {scope['path']!r}")
            if not started:
                response = json_response(500, error="Internal server error", errorId=error_id)
                await response(scope, receive, send)
