"""Uvicorn's WebSocket protocol, and two things more.

A frame goes out at once and as bytes: by way of `send` it is made a str, encoded again, wrapped, taken apart and
awaited, which costs several times what writing it does. Whoever does not read gets one answer to a WebSocket's own
pings, where uvicorn keeps one for each without end. And whoever reads slowly is not taken for dead.

This leans on the inside of the version of uvicorn that is pinned. Under another server all works by `send`.
"""

import contextlib
import socket
from asyncio import BaseTransport
from typing import Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from server.websocket.closing import FLOOD, TRY_AGAIN
from server.websocket.frame import head
from server.websocket.idle import Gate, Inbox
from server.websocket.pace import BURST, PIECE, REFILL, lane_of

EXTENSION = "parley.frames"

# Frames that complete no message: so many a second, and so many of one message. Libraries send a few.
_FRAMES = 2_000
_FRAGMENTS = 4_096
_PIECE = 4_096  # bytes

# Bytes that the kernel may keep for a client, beyond those on their way.
_UNSENT = 131_072


# How long, in seconds, a socket that is closed may still take what was written to it.
_FLUSH = 5.0


class Writable(Protocol):
    def is_set(self) -> bool: ...

    async def wait(self) -> object: ...


class Straight(Protocol):
    """The way past `send`."""

    @property
    def writable(self) -> Writable:
        """Set while the transport keeps little of what was written to it."""

    @property
    def unsent(self) -> int:
        """So many bytes it keeps."""

    def write(self, frame: bytes) -> bool:
        """Write a frame of text, in UTF-8. False: not now, or not any more; `send` waits, or tells."""

    def pass_on(self, frames: bytes) -> bool:
        """Write several frames, with their heads. False: none of them."""

    def charge(self, messages: int) -> None:
        """What was heard last takes as much as so many messages."""

    def leave(self) -> None:
        """Nothing more is written. What the client does not take soon is thrown away: to close a transport is to keep
        everything until it is taken."""


class SocketProtocol(WebSocketsSansIOProtocol):
    # With uvicorn's own, which are more than Python keeps without a dict for each object, of 1.6 kB.
    __slots__ = (
        "_counted",
        "_flooded",
        "_free",
        "_held",
        "_in_lane",
        "_pong",
        "_said",
        "_second",
        "_then",
        "app",
        "app_state",
        "asgi_version",
        "client",
        "close_sent",
        "close_timeout",
        "close_timer",
        "config",
        "conn",
        "connections",
        "curr_msg_data_type",
        "default_headers",
        "disconnected",
        "frames",
        "handshake_complete",
        "handshake_initiated",
        "initial_response",
        "last_ping_rtt",
        "logger",
        "loop",
        "pending_ping_payload",
        "ping_interval",
        "ping_sent_at",
        "ping_timeout",
        "ping_timer",
        "pong_timer",
        "queue",
        "read_paused",
        "request",
        "response",
        "root_path",
        "scheme",
        "scope",
        "server",
        "tasks",
        "transport",
        "writable",
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.queue = Inbox()  # type: ignore[assignment]
        self.writable = Gate()  # type: ignore[assignment]
        self._pong = b""
        self._second = 0.0
        self._counted = 0
        self._flooded = False
        # How many messages are free, and when that was so; how many came; what waits for a turn, and whether in the
        # lane.
        self._free, self._then = float(BURST), 0.0
        self._said = 0
        self._held = bytearray()
        self._in_lane = False

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        raw = transport.get_extra_info("socket")
        if raw is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # What the kernel takes and does not send yet stands before every ping, and nothing tells how much it is.
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.transport.is_closing():
            # The application's task has been made, and has not begun.
            self.scope["extensions"][EXTENSION] = {"straight": self}

    def start_keepalive(self) -> None:
        """It is accepted. What the client said to be let in would stay with the socket, here and in the parser."""
        super().start_keepalive()
        self.request.headers.clear()
        del self.request, self.response

    @property
    def unsent(self) -> int:
        return self.transport.get_write_buffer_size()

    def leave(self) -> None:
        if self.unsent:
            self.loop.call_later(_FLUSH, self.transport.abort)

    def write(self, frame: bytes) -> bool:
        return self.pass_on(head(len(frame)) + frame)

    def pass_on(self, frames: bytes) -> bool:
        if not self.writable.is_set() or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(frames)
        return True

    def shutdown(self) -> None:
        """The server stops. A socket that its client has closed, and that is there only until it takes what was written
        before, can't be closed once more: to try would end the server's ending, with all that it still waits for."""
        if self.handshake_complete and self.conn.state is not State.OPEN:
            self.stop_keepalive()
            self.transport.close()
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        if self._held:
            self._held += data
            self.transport.pause_reading()
            return
        now = self.loop.time()
        self._free, self._then = min(BURST, self._free + (now - self._then) * REFILL), now
        # In pieces, so that a flood is refused, or has to wait, before all of it is taken apart.
        for start in range(0, len(data), _PIECE):
            if self._flooded:
                return
            if self._free <= 0:
                self._held += data[start:]
                self._wait()
                return
            super().data_received(data[start : start + _PIECE])

    def go_on(self) -> int:
        self._in_lane = False
        if self._flooded or self.transport.is_closing():
            self._held.clear()
            return 0
        said = self._said
        piece = bytes(self._held[:PIECE])
        del self._held[:PIECE]
        super().data_received(piece)
        if self._held:
            self._wait()
        elif not (self.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()
        return self._said - said

    def _wait(self) -> None:
        """For a turn; while what came before has not been heard, for that."""
        self.transport.pause_reading()
        if not (self.read_paused or self._in_lane):
            self._in_lane = True
            lane_of(self.loop).enter(self)

    async def receive(self) -> Any:
        message = await super().receive()
        if self._held and not self.read_paused:
            self._wait()
        return message

    def charge(self, messages: int) -> None:
        self._free -= messages
        if self._free <= 0:
            lane_of(self.loop).rest(messages)

    def _say(self) -> None:
        self._said += 1
        self._free -= 1

    def handle_text(self, event: Frame) -> None:
        self._say()
        super().handle_text(event)

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        if not event.fin:
            self._count(len(self.frames) > _FRAGMENTS)

    def handle_pong(self, event: Frame) -> None:
        super().handle_pong(event)
        self._count()

    def _count(self, too_many: bool = False) -> None:
        """Frames that complete no message: reading stops for none of them, and a client can send them without end."""
        self._say()
        now = self.loop.time()
        if now - self._second >= 1:
            self._second, self._counted = now, 0
        self._counted += 1
        if not (too_many or self._counted > _FRAMES) or self._flooded:
            return
        self._flooded = True
        if not (self.close_sent or self.transport.is_closing()):
            self.conn.fail(*FLOOD)
            self.queue.put_nowait({"type": "websocket.disconnect", "code": FLOOD.code, "reason": FLOOD.reason})
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.transport.close()
        self.leave()

    def handle_ping(self) -> None:
        self._count()
        if self._flooded:
            return
        pongs = self.conn.data_to_send()  # to all pings that came at once, at the first of them
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        elif pongs:
            # The newest answers for all before it (RFC 6455 §5.5.3).
            self._pong = pongs[-1]

    def resume_writing(self) -> None:
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    def keepalive_timeout(self) -> None:
        """Who has not been read from, or is still taking what was written, may well have answered: the application
        judges whether it takes anything at all. Anybody else is gone, or in a tunnel; by uvicorn's 1011 a client that
        comes out of one would give up for good."""
        self.pong_timer = None
        if self.read_paused or self._held or not self.writable.is_set():
            assert self.ping_timeout is not None
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        elif not (self.close_sent or self.transport.is_closing()):
            self.conn.fail(*TRY_AGAIN)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()
            self.leave()
