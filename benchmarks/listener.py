"""Clients of a WebSocket by the thousand: they subscribe, and count what comes; cheap enough not to be measured."""

import asyncio
import base64
import os
from collections.abc import Sequence
from functools import partial
from typing import cast

import orjson


class Listener(asyncio.Protocol):
    """One client: it connects as a browser does, offering compression, says its messages, and counts text frames."""

    def __init__(self, says: Sequence[bytes], ready: bytes) -> None:
        self.frames = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._says = list(says)
        self._ready = ready
        self._buffer = b""
        self._upgraded = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
            b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
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
            length, head = data[at + 1], 2
            if length == 126:
                head, length = 4, int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                head, length = 10, int.from_bytes(data[at + 2 : at + 10], "big")
            if size - at < head + length:
                break
            if self.opened.done():
                self.frames += data[at] & 0x0F == 1
            elif self._says:
                self._say(len(self._says))  # it is acknowledged
            elif self._ready in data[at + head : at + head + length]:
                self.opened.set_result(None)
            at += head + length
        self._buffer = data[at:]

    def _say(self, count: int) -> None:
        assert self._transport is not None
        self._transport.write(b"".join(map(masked, self._says[:count])))
        del self._says[:count]

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


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
    loop = asyncio.get_running_loop()
    made: list[Listener] = []
    for start in range(0, len(says), 100):
        batch = []
        for each in says[start : start + 100]:
            _, listener = await loop.create_connection(partial(Listener, each, ready), "127.0.0.1", port)
            batch.append(listener)
        await asyncio.gather(*(listener.opened for listener in batch))
        made += batch
    return made
