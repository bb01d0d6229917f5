"""Who is let in at /graphql by a WebSocket."""

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress

from starlette.types import Receive, Scope, Send

from server import fault
from server.connections import Service
from server.http.origin import origin_of
from server.websocket.closing import BROKEN, NOT_ACCEPTABLE, TOO_MANY, Close
from server.websocket.connection import Connection
from server.websocket.protocol import EXTENSION

log = logging.getLogger("parley.websocket")

PROTOCOL = "graphql-transport-ws"


class GraphQLSocket:
    """The endpoint, as an ASGI application."""

    def __init__(self, service: Service, allowed_origins: Collection[str]) -> None:
        self._service = service
        self._allowed = frozenset(origin.encode("latin-1") for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except asyncio.CancelledError:
            pass  # the server stops, and has waited long enough
        except OSError:
            pass  # the client has gone in the handshake
        except Exception as raised:
            fault.record(log, raised, "at a socket")
            await _close(send, BROKEN)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if not self._lets_in(scope):
            await send({"type": "websocket.close"})  # before it is accepted, which is HTTP's 403
        elif PROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await _close(send, NOT_ACCEPTABLE)
        else:
            straight = scope.get("extensions", {}).get(EXTENSION, {}).get("straight")
            origin = origin_of(scope)
            await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
            # Whoever has called keeps it as long as the socket is there, with all headers.
            scope.clear()
            if not self._service.open():
                await _close(send, TOO_MANY)
                return
            try:
                await Connection(self._service, receive, send, straight, origin).run()
            finally:
                self._service.close()

    def _lets_in(self, scope: Scope) -> bool:
        """A browser says whose page connects, and CORS does not hold for sockets; apps and servers say nothing."""
        return all(value in self._allowed for name, value in scope["headers"] if name == b"origin")


async def _close(send: Send, close: Close) -> None:
    with suppress(OSError, RuntimeError):  # it is closed already
        await send({"type": "websocket.close", "code": close.code, "reason": close.reason})
