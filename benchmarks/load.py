"""Requests over kept connections, as many as go in a time; cheap enough not to be what is measured."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Protocol, cast

from benchmarks.cores import Disturbance

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


class Server(Protocol):
    @property
    def port(self) -> int: ...

    def cpu_seconds(self) -> float:
        """What it has taken of its core since its start."""


class Failed(Exception):
    """An answer that is no success."""


class Connection(asyncio.Protocol):
    """One request at a time over HTTP/1.1; answers have a content-length."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        start = self._buffer.index(LENGTH, 0, end) + len(LENGTH)
        length = int(self._buffer[start : self._buffer.index(b"\r\n", start)])
        body_at = end + len(HEAD_END)
        if len(self._buffer) < body_at + length:
            return
        assert self._answer is not None
        body, good = self._buffer[body_at : body_at + length], self._buffer.startswith(b"HTTP/1.1 200")
        self._buffer = self._buffer[body_at + length :]
        if good and not body.startswith(b'{"errors"'):
            self._answer.set_result(body)
        else:
            self._answer.set_exception(Failed(body.decode(errors="replace")))

    async def ask(self, request: bytes) -> bytes:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


async def connect(port: int) -> Connection:
    _, protocol = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return protocol


def post(body: bytes, token: str = "") -> bytes:
    head = [
        "POST /graphql HTTP/1.1",
        "host: localhost",
        "accept: application/graphql-response+json",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *([f"authorization: Bearer {token}"] if token else []),
    ]
    return "\r\n".join(head).encode() + HEAD_END + body


class Rate(NamedTuple):
    """`cpu_ms`: milliseconds of its core that the server took for an answer. It stays nearly the same on a machine
    that is busy with something else. `disturbed`: how much of the cores' time went to that something else."""

    a_second: float
    cpu_ms: float
    disturbed: float = 0.0


async def rate(server: Server, request: Callable[[], bytes], *, seconds: float, concurrency: int) -> Rate:
    """After a warm-up of a fifth of the time."""
    rates = await rates_of(server, request, windows=[seconds / 5, seconds], concurrency=concurrency)
    return rates[-1]


async def rates_of(
    server: Server, request: Callable[[], bytes], *, windows: list[float], concurrency: int
) -> list[Rate]:
    """In each of several stretches of time, of so many seconds, without a pause between them."""
    done = 0
    running = True
    connections = [await connect(server.port) for _ in range(concurrency)]

    async def keep_asking(connection: Connection) -> None:
        nonlocal done
        while running:
            await connection.ask(request())
            done += 1

    asking = [asyncio.create_task(keep_asking(connection)) for connection in connections]
    rates = []
    disturbance = Disturbance()
    for window in windows:
        began, cpu, before = monotonic(), server.cpu_seconds(), done
        finished, _ = await asyncio.wait(asking, timeout=window, return_when=asyncio.FIRST_EXCEPTION)
        for task in finished:
            task.result()
        answers = max(1, done - before)
        a_second, cpu_ms = answers / (monotonic() - began), (server.cpu_seconds() - cpu) / answers * 1000
        rates.append(Rate(a_second, cpu_ms, disturbance.share()))
    running = False
    await asyncio.gather(*asking)
    for connection in connections:
        connection.close()
    return rates
