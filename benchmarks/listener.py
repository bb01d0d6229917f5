"""Clients of a WebSocket by the thousand: they subscribe, and count what comes; cheap enough not to be measured."""

import asyncio
import base64
import os
from collections.abc import Sequence
from functools import partial
from typing import cast

import orjson

# What stands once in each result of a subscription, and nowhere else in what is sent here.
RESULT = b'"next"'
PING = b"\x89"
PING_HEAD, PING_SIZE = b"\x89\x04", 6  # as long as RESULT, so that both are found where they are cut in two


class Listener(asyncio.Protocol):
    """One client: it connects as a browser does, offering compression, says its messages, and counts results.

    `opened`: it is acknowledged and has said all, and what it waited for (`ready`) has come.
    """

    def __init__(self, says: Sequence[bytes], ready: bytes) -> None:
        self.frames = 0
        self.lost = False
        # The end of it tells why a socket was closed.
        self.last = b""
        self.acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._says = list(says)
        self._ready = ready
        self._buffer = b""
        self._upgraded = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(upgrade())

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        for waiting in (self.acknowledged, self.opened):
            if not waiting.done():
                waiting.set_exception(exc or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            self._count(data)
            return
        data = self._buffer + data
        at = 0
        if not self._upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data
            self._upgraded = True
            at = end + 4
            self._say(1)
        size = len(data)
        while size - at >= 2:
            head, length = frame_size(data, at)
            if size - at < head + length:
                break
            payload = data[at + head : at + head + length]
            at += head + length
            if data[at - head - length] == PING[0]:
                self._pong(payload)
            elif not self.acknowledged.done():
                self.acknowledged.set_result(None)
                self._say(len(self._says))
            elif self._ready in payload:
                self.opened.set_result(None)
                self._buffer = b""
                self._count(payload + data[at:])
                return
        self._buffer = data[at:]

    def _count(self, data: bytes) -> None:
        """Without taking it apart, which would be slower than what is measured."""
        data = self._buffer + data
        self.frames += data.count(RESULT)
        # Its head stands in no text, since JSON has no control characters, and in no length of frames as they are here.
        at = data.find(PING_HEAD)
        if 0 <= at <= len(data) - PING_SIZE:
            self._pong(data[at + 2 : at + PING_SIZE])
        self._buffer = data[1 - PING_SIZE :]
        self.last = data

    def _say(self, count: int) -> None:
        assert self._transport is not None
        self._transport.write(b"".join(map(masked, self._says[:count])))
        del self._says[:count]

    def say(self, *texts: bytes) -> None:
        """Once it is opened; what it waits for then."""
        assert self._transport is not None
        self._transport.write(b"".join(map(masked, texts)))

    def _pong(self, payload: bytes) -> None:
        assert self._transport is not None
        self._transport.write(pong(payload))

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


def upgrade() -> bytes:
    return (
        b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n"
    )


def frame_size(data: bytes, at: int) -> tuple[int, int]:
    """How long head and payload of the frame are that begins there."""
    length = data[at + 1]
    if length == 126:
        return 4, int.from_bytes(data[at + 2 : at + 4], "big")
    if length == 127:
        return 10, int.from_bytes(data[at + 2 : at + 10], "big")
    return 2, length


def pong(payload: bytes) -> bytes:
    return bytes((0x8A, 0x80 | len(payload), 0, 0, 0, 0)) + payload


def masked(text: bytes) -> bytes:
    """A frame of text as a client sends it, masked with zeros (RFC 6455 §5.2)."""
    if len(text) < 126:
        return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + b"\0\0\0\0" + text


def subscribing(token: str, query: str, variables: dict[str, object], number: int) -> list[bytes]:
    """What a client of `graphql-transport-ws` says, and a ping, whose answer tells that it is subscribed."""
    payload = {"authorization": f"Bearer {token}"} if token else {}
    return [
        orjson.dumps({"type": "connection_init", "payload": payload}),
        orjson.dumps({"id": f"op-{number}", "type": "subscribe", "payload": {"query": query, "variables": variables}}),
        orjson.dumps({"type": "ping"}),
    ]


async def listeners(port: int, says: Sequence[Sequence[bytes]], ready: bytes) -> list[Listener]:
    """One for each, a hundred at a time; all of them subscribed when this returns."""
    made: list[Listener] = []
    for start in range(0, len(says), 100):
        batch = await asyncio.gather(*(listen(port, each, ready) for each in says[start : start + 100]))
        await asyncio.gather(*(listener.opened for listener in batch))
        made += batch
    return made


async def listen(port: int, says: Sequence[bytes], ready: bytes) -> Listener:
    """One that is connected, and on its way."""
    loop = asyncio.get_running_loop()
    _, listener = await loop.create_connection(partial(Listener, says, ready), "127.0.0.1", port)
    return listener
