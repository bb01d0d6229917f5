"""What a client is told, as bytes."""

from collections.abc import Sequence
from typing import Any

from starlette.types import Send

from server.graphql.error import Told
from server.graphql.payload import encode

ACK = b'{"type":"connection_ack"}'
_PONG = b'{"type":"pong"}'


def pong(payload: dict[str, Any] | None) -> bytes:
    """The answer to a ping, with its payload where that can be written again: what is nested too deeply can't."""
    if payload is None:
        return _PONG
    try:
        return b'{"type":"pong","payload":%b}' % encode(payload)
    except RecursionError:
        return _PONG


class Frames:
    """The frames of one operation. What its id adds to each is made once."""

    __slots__ = ("_head", "_next")

    def __init__(self, operation_id: str) -> None:
        self._head = b'{"id":' + encode(operation_id)
        self._next = self._head + b',"type":"next","payload":'

    def next(self, payload: bytes) -> bytes:
        return b"".join((self._next, payload, b"}"))

    def error(self, errors: Sequence[Told]) -> bytes:
        return b'%b,"type":"error","payload":%b}' % (self._head, encode(list(errors)))

    def complete(self) -> bytes:
        return self._head + b',"type":"complete"}'


async def write(send: Send, frame: bytes) -> None:
    """Give a frame to the server; waits while the client's transport is congested."""
    # ASGI wants a str, and uvicorn encodes it again: for 1 kB of ASCII, a tenth of a microsecond each way.
    await send({"type": "websocket.send", "text": frame.decode()})
