"""Clients of a WebSocket who note when each frame has come, by the kernel's clock.

Whoever reads five thousand sockets one after the other would find the last frame long after it was there: the kernel
writes down when it has put a packet into a socket (SO_TIMESTAMPNS, socket(7)), which is on the loopback the moment at
which the server has written it. So it does not matter how quick this reader is.
"""

import select
import socket
import struct
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from benchmarks.listener import PING, frame_size, masked, pong, upgrade

SO_TIMESTAMPNS = 35  # the same number as of what comes with the data
AT_ONCE = 200
PATIENCE = 30.0


class Ears:
    """In a thread of their own. `heard`: for each frame of text, when it came, in nanoseconds since 1970."""

    def __init__(self, port: int, says: Sequence[Sequence[bytes]], ready: bytes) -> None:
        self.heard: list[int] = []
        self._over = False
        self._sockets: dict[int, socket.socket] = {}
        for start in range(0, len(says), AT_ONCE):
            batch = [(_connected(port), texts) for texts in says[start : start + AT_ONCE]]
            for ear, _ in batch:
                _wait_for(ear, b"\r\n\r\n")
            for ear, texts in batch:
                ear.sendall(masked(texts[0]))
            for ear, texts in batch:
                _wait_for(ear, b"connection_ack")
                ear.sendall(b"".join(map(masked, texts[1:])))
            for ear, _ in batch:
                _wait_for(ear, ready)
                ear.setblocking(False)
                self._sockets[ear.fileno()] = ear
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over = True
        self._thread.join()
        for ear in self._sockets.values():
            ear.close()

    def _listen(self) -> None:
        with select.epoll() as epoll:
            for number in self._sockets:
                epoll.register(number, select.EPOLLIN)
            while not self._over:
                for number, _ in epoll.poll(0.1):
                    self._take(self._sockets[number])

    def _take(self, ear: socket.socket) -> None:
        data, notes, _, _ = ear.recvmsg(65_536, 64)
        assert data, "the server has closed the connection"
        ((_, _, note),) = notes
        seconds, nanoseconds = struct.unpack("qq", note)
        at = 0
        while at < len(data):
            head, length = frame_size(data, at)
            if data[at] == PING[0]:
                ear.send(pong(data[at + head : at + head + length]))
            else:
                self.heard.append(seconds * 1_000_000_000 + nanoseconds)
            at += head + length


def _connected(port: int) -> socket.socket:
    ear = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    ear.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    ear.sendall(upgrade())
    return ear


def _wait_for(ear: socket.socket, sign: bytes) -> None:
    data = b""
    while sign not in data:
        more = ear.recv(65_536)
        assert more, data
        data += more
