"""Connections that would never end, on a real server."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.graphql.execution import Execution
from server.http import request
from server.http.app import build_app
from server.http.protocol import HttpProtocol
from tests.http.conftest import ORIGIN
from tests.http.toy import ToyEngine
from tests.websocket.conftest import Server, serving

HEAD = b"GET /graphql?query={hello} HTTP/1.1\r\nHost: parley.test\r\n"
POST = b"POST /graphql HTTP/1.1\r\nHost: parley.test\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n"
BODY = b'{"query": "{ hello }"}'[:21]
UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nHost: parley.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
LARGE = 24 * 1024 * 1024
SECONDS = 4  # for whatever comes soon: uvicorn's own end of an idle connection comes after 5


class Hasty(HttpProtocol):
    head_seconds = 0.6
    taking_seconds = 1.0


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    async def trickle(self, text: bytes) -> None:
        """Say it again and again, a piece at a time, until the server has closed."""
        async with asyncio.timeout(SECONDS):
            while not (self.reader.at_eof() or self.reader.exception()):
                with suppress(ConnectionError):
                    await self.say(text)
                await asyncio.sleep(0.05)

    async def answered(self) -> bytes:
        """The status line, once the whole answer has been read."""
        async with asyncio.timeout(SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
            await self.reader.readexactly(int(length.partition(b" ")[2]))
        return head.partition(b"\r\n")[0]

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()


@pytest.fixture
async def server(engine: ToyEngine) -> AsyncIterator[Server]:
    async def ready() -> None: ...

    async def large(_: Request) -> Response:
        return Response(b"x" * LARGE)

    routes = [Route("/large", large)]
    app = build_app(Execution(engine), allowed_origins=[ORIGIN], ready=ready, routes=routes)
    async with serving(app, http=Hasty) as up:
        yield up


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    host, _, port = server.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield Client(reader, writer)
    writer.transport.abort()


@pytest.mark.parametrize("said", [b"", b"\r\n", b"GET /graphql HTTP/1.1\r\n"])
async def test_a_head_that_never_comes_ends_the_connection(client: Client, said: bytes) -> None:
    await client.say(said)
    assert await client.rest() == b""


@pytest.mark.parametrize("said", [b"\r\n", b"x-header: again\r\n"])
async def test_a_head_that_trickles_does_too(client: Client, said: bytes) -> None:
    if said != b"\r\n":
        await client.say(HEAD)
    await client.trickle(said)


@pytest.mark.parametrize("said", [b"\r\n", HEAD])
async def test_so_does_one_behind_a_request_that_was_answered(client: Client, said: bytes) -> None:
    await client.say(HEAD + b"\r\n")
    assert await client.answered() == b"HTTP/1.1 200 OK"
    await client.say(said)
    assert await client.rest() == b""


async def test_a_connection_is_kept_from_request_to_request(client: Client) -> None:
    for _ in range(2):
        await client.say(HEAD)
        await asyncio.sleep(0.1)
        await client.say(b"\r\n")
        assert await client.answered() == b"HTTP/1.1 200 OK"
        await asyncio.sleep(0.9)


async def test_a_request_may_take_its_time_once_its_head_is_there(client: Client, engine: ToyEngine) -> None:
    await client.say(HEAD.replace(b"{hello}", b"{slow}") + b"\r\n")
    await asyncio.sleep(0.9)
    engine.go_on.set()
    assert await client.answered() == b"HTTP/1.1 200 OK"


async def test_a_websocket_is_no_head_that_is_waited_for(client: Client) -> None:
    await client.say(UPGRADE)
    assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    await asyncio.sleep(0.9)
    assert not client.reader.at_eof()


async def test_a_body_that_stays_away_is_408(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "_PATIENCE", 0.2)
    await client.say(POST + BODY[:1])
    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer


async def test_a_body_that_trickles_is_408(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "_PATIENCE", 0.2)
    await client.say(POST.replace(b"21", b"1000000"))
    trickling = asyncio.create_task(client.trickle(b" "))
    assert (await client.reader.readline()).startswith(b"HTTP/1.1 408 ")
    await trickling


async def test_a_large_body_may_take_longer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "_PATIENCE", 0.3)
    body = BODY + b" " * 50_000 + b"}"
    await client.say(POST.replace(b"21", b"%d" % len(body)) + body[:-1])
    await asyncio.sleep(0.9)
    await client.say(body[-1:])
    assert await client.answered() == b"HTTP/1.1 200 OK"


async def ended(server: Server) -> None:
    while server._server.server_state.connections:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
async def test_who_does_not_take_an_answer_is_let_go(server: Server, header: bytes) -> None:
    host, _, port = server.address.partition(":")
    with socket.create_connection((host, int(port))) as deaf:
        deaf.sendall(b"GET /large HTTP/1.1\r\nHost: parley.test\r\n" + header + b"\r\n")
        async with asyncio.timeout(1):
            while not server.unsent():
                await asyncio.sleep(0.01)
        async with asyncio.timeout(3):
            await ended(server)


async def test_who_takes_it_slowly_gets_all_of_it(server: Server) -> None:
    loop = asyncio.get_running_loop()
    host, _, port = server.address.partition(":")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        slow.setblocking(False)
        await loop.sock_connect(slow, (host, int(port)))
        await loop.sock_sendall(slow, b"GET /large HTTP/1.1\r\nHost: parley.test\r\nConnection: close\r\n\r\n")
        taken, begun = 0, time.monotonic()
        while part := await loop.sock_recv(slow, 262_144):
            taken += len(part)
            await asyncio.sleep(0.01)
    assert taken > LARGE
    assert time.monotonic() - begun > 2 * Hasty.taking_seconds
