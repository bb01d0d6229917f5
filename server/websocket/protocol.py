"""Uvicorn's WebSocket protocol, and two things more.

A frame goes out at once and as bytes: by way of `send` it is made a str, encoded again, wrapped, taken apart and
awaited, which costs several times what writing it does. And who does not read is not read from either: by itself,
uvicorn answers a WebSocket's own pings without end, and keeps the answers.

This leans on the inside of the version of uvicorn that is pinned. Under another server all works by `send`.
"""

from typing import Protocol

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION = "parley.frames"


class Straight(Protocol):
    """The way past `send`."""

    def __call__(self, frame: bytes) -> bool:
        """Write a frame of text, in UTF-8. False: not now, or not any more; `send` waits, or tells."""


class SocketProtocol(WebSocketsSansIOProtocol):
    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.transport.is_closing():
            # The application's task has been made, and has not begun.
            self.scope["extensions"][EXTENSION] = {"write": self.write}

    def write(self, frame: bytes) -> bool:
        if not self.writable.is_set() or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(_head(len(frame)) + frame)
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    async def receive(self) -> ASGIReceiveEvent:
        message = await super().receive()
        if not self.writable.is_set() and not self.transport.is_closing():
            self.transport.pause_reading()
        return message


def _head(length: int) -> bytes:
    """A whole message of text, not masked (RFC 6455 §5.2)."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")
