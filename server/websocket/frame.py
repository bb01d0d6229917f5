"""What a client is told, as bytes."""

from collections.abc import Sequence
from typing import Any

from starlette.types import Send

from server.graphql.error import Told
from server.graphql.payload import encode
from server.graphql.streams import Results

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


# Stands for the id in frames that are made for many operations: no byte of UTF-8, and more of them than a head has.
_ID = b"\xff\xff\xff"

# A head of four bytes and a closing brace.
_AROUND = 5


class Frames:
    """The frames of one operation. What its id adds to each is made once."""

    __slots__ = ("_head", "_id", "_next")

    def __init__(self, operation_id: str) -> None:
        self._id = encode(operation_id)
        self._head = b'{"id":' + self._id
        self._next = self._head + b',"type":"next","payload":'

    def next(self, payload: bytes) -> bytes:
        return b"".join((self._next, payload, b"}"))

    def size(self, results: Results) -> int:
        """How long `all` is at the most, in bytes."""
        return results.size + len(results.payloads) * (len(self._next) + _AROUND)

    def all(self, results: Results) -> bytes:
        """Those of several results in one piece, with their heads, as they go over the wire. They are made once for all
        operations whose ids are of one length."""
        length = len(self._id)
        made = results.made.get(length)
        if made is None:
            nexts = [b'{"id":%b,"type":"next","payload":%b}' % (_ID, payload) for payload in results.payloads]
            made = b"".join(part for each in nexts for part in (head(len(each) - len(_ID) + length), each))
            results.made = {length: made}
        return made.replace(_ID, self._id)

    def error(self, errors: Sequence[Told]) -> bytes:
        return b'%b,"type":"error","payload":%b}' % (self._head, encode(list(errors)))

    def complete(self) -> bytes:
        return self._head + b',"type":"complete"}'


def head(length: int) -> bytes:
    """That of a whole message of text, not masked (RFC 6455 §5.2). Length: of the text, in bytes."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


async def write(send: Send, frame: bytes) -> None:
    """Give a frame to the server; waits while the client's transport is congested."""
    # ASGI wants a str, and uvicorn encodes it again: for 1 kB of ASCII, a tenth of a microsecond each way.
    await send({"type": "websocket.send", "text": frame.decode()})
