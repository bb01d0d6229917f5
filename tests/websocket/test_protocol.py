"""What Parley adds to uvicorn's protocol: frames that go straight, and mercy with who reads slowly."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from websockets.frames import Frame, Opcode

from server.connections import Bounds
from server.websocket.frame import head
from server.websocket.protocol import SocketProtocol
from tests.websocket.conftest import SECONDS, Client, Dial, Server, serving, until
from tests.websocket.toy import Feed, ToyStreams
from tests.websocket.wire import HANDSHAKE, SUBSCRIBE, said

# Of the WebSocket itself, not of GraphQL's protocol: masked as a client's, with a mask of zeros.
PING = b"\x89\xfd" + b"\0\0\0\0" + b"x" * 125
PONG = b"\x8a\x7d" + b"x" * 125


FRAGMENT = b"\x00\x80" + b"\0\0\0\0"


@pytest.mark.parametrize(
    "flood",
    [b"\x01\x80" + b"\0\0\0\0" + FRAGMENT * 200_000, b"\x8a\x80\0\0\0\0" * 200_000, PING * 20_000],
    ids=["empty fragments", "pongs", "pings"],
)
async def test_frames_that_complete_no_message_have_a_bound(server: Server, flood: bytes) -> None:
    """Reading stops for none of them: without end, they would leave the loop to nobody else."""
    loop = asyncio.get_running_loop()
    host, port = server.address.split(":")
    with socket.socket() as wire:
        wire.setblocking(False)
        await loop.sock_connect(wire, (host, int(port)))
        await loop.sock_sendall(wire, HANDSHAKE)
        assert b" 101 " in await loop.sock_recv(wire, 4_096)
        sending = asyncio.create_task(loop.sock_sendall(wire, flood))
        heard, reset = b"", False
        try:
            while more := await asyncio.wait_for(loop.sock_recv(wire, 65_536), SECONDS):
                heard = (heard + more)[-100:]
        except ConnectionError:
            reset = True  # what has not been read may be lost then
        sending.cancel()
        await asyncio.wait([sending])
        assert reset or heard.endswith((1008).to_bytes(2, "big") + b"Too many frames")
    await server.left()


async def test_pings_within_the_bound_are_answered_as_far_as_there_is_room(server: Server) -> None:
    loop = asyncio.get_running_loop()
    host, port = server.address.split(":")
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        wire.setblocking(False)
        await loop.sock_connect(wire, (host, int(port)))
        await loop.sock_sendall(wire, HANDSHAKE)
        assert b" 101 " in await loop.sock_recv(wire, 4_096)

        last = b"y" * 125
        pings = PING * 1_500 + PING.replace(b"x", b"y")
        flood = asyncio.create_task(loop.sock_sendall(wire, pings))
        await asyncio.wait((flood,), timeout=1)
        most = server.unsent()
        end = b""
        while not end.endswith(last):
            end = (end + await asyncio.wait_for(loop.sock_recv(wire, 65_536), SECONDS))[-len(PONG) :]
            most = max(most, server.unsent())
        await flood
        # The newest answers for those before it.
        assert most < 512 * 1024


def slow_road(server: Server) -> socket.socket:
    """A connection that takes little at a time, as a phone's."""
    road = socket.socket()
    road.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    host, port = server.address.split(":")
    road.connect((host, int(port)))
    return road


async def test_who_reads_slowly_is_not_taken_for_dead(app: Starlette, streams: ToyStreams) -> None:
    """Their pongs are behind what they have not read yet. Here for many times as long as a dead peer is waited for."""
    count = 150
    async with (
        serving(app, ws_ping_interval=0.05, ws_ping_timeout=0.1) as server,
        server.dial(max_queue=1, sock=slow_road(server)) as client,
    ):
        await client.init()
        await client.subscribe("1")
        feed = await streams.asked.get()

        async def replay() -> None:
            for number in range(count):
                while feed.outlet.full:
                    await feed.outlet.room()
                assert feed.give(f"{number} {'x' * 100_000}")

        replaying = asyncio.create_task(replay())
        for number in range(count):
            assert (await client.hear())["payload"]["data"]["tick"].startswith(f"{number} ")
            await asyncio.sleep(0.01)
        await replaying


async def test_who_answers_no_ping_is_told_to_come_again(app: Starlette) -> None:
    """It may be in a tunnel. By uvicorn's own 1011 npm's graphql-ws gives up for good."""
    async with serving(app, ws_ping_interval=0.05, ws_ping_timeout=0.05) as server:
        reader, writer = await asyncio.open_connection(*server.address.split(":"))
        writer.write(HANDSHAKE + said({"type": "connection_init"}))
        heard = await asyncio.wait_for(reader.read(), SECONDS)
        assert b"\x88" + bytes([2 + len(b"Try again later")]) + (1013).to_bytes(2, "big") + b"Try again later" in heard
        writer.close()


class Deaf:
    """A client that is subscribed and reads nothing."""

    def __init__(self, writer: asyncio.StreamWriter, feed: Feed, protocol: SocketProtocol) -> None:
        self.writer = writer
        self.protocol = protocol
        self._feed = feed

    async def fill(self, unsent: int) -> None:
        """Give until so much waits in the transport. Nothing of it waits in the queue."""
        async with asyncio.timeout(SECONDS):
            while self.protocol.unsent < unsent:
                assert self._feed.give("x" * 10_000)
                await asyncio.sleep(0.001)

    def ping(self) -> None:
        """Have the server say its ping, and wait for the pong with little patience."""
        self.protocol.stop_keepalive()
        self.protocol.ping_timeout = 0.02
        self.protocol.send_keepalive_ping()


@asynccontextmanager
async def deaf(server: Server, streams: ToyStreams) -> AsyncIterator[Deaf]:
    reader, writer = await asyncio.open_connection(*server.address.split(":"), limit=1_000)
    writer.write(HANDSHAKE)
    assert b" 101 " in await reader.readline()
    writer.write(said({"type": "connection_init"}) + said(SUBSCRIBE))
    feed = await asyncio.wait_for(streams.asked.get(), SECONDS)
    (protocol,) = server.connections
    try:
        yield Deaf(writer, feed, protocol)
    finally:
        writer.transport.abort()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.websocket.connection._FAREWELL", 0.05)
    monkeypatch.setattr("server.websocket.protocol._FLUSH", 0.05)


@pytest.mark.usefixtures("_impatient")
async def test_who_may_have_answered_is_let_go_only_when_nothing_is_taken(
    server: Server, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.websocket.outgoing.STALLED", 0.5)
    pardons = 0
    pardoned = SocketProtocol.keepalive_timeout

    def counted(protocol: SocketProtocol) -> None:
        nonlocal pardons
        pardoned(protocol)
        pardons += not protocol.close_sent

    monkeypatch.setattr(SocketProtocol, "keepalive_timeout", counted)
    async with deaf(server, streams) as client:
        await client.fill(65_537)
        client.ping()
        await until(lambda: not server.connections)
        assert pardons > 1


@pytest.mark.usefixtures("_impatient")
async def test_what_a_dead_client_has_not_taken_is_thrown_away(server: Server, streams: ToyStreams) -> None:
    """However little: to close a transport is to keep it until that is taken."""
    async with deaf(server, streams) as client:
        await client.fill(1)
        client.ping()
        await until(lambda: not server.connections)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("bounds", [Bounds(frames=1)])
async def test_a_flood_behind_which_nothing_is_read_waits_and_ends_with_its_client(
    server: Server, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.websocket.outgoing.STALLED", 0.5)
    async with deaf(server, streams) as client:
        await client.fill(65_537)
        # One answer is on its way, one waits; from then on no message is read.
        for _ in range(3):
            client.writer.write(said({"type": "ping"}))
        client.writer.write(b"\x8a\x80\0\0\0\0" * 3_000)
        await until(lambda: not server.connections)


@pytest.mark.parametrize("length", [0, 1, 80, 125, 126, 127, 65_535, 65_536, 300_000])
async def test_a_frame_of_any_length_goes_straight(client: Client, streams: ToyStreams, length: int) -> None:
    await client.subscribe("1")
    await client.settled()
    frame = len('{"id":"1","type":"next","payload":{"data":{"tick":""}}}')
    for text in ("x" * length, "x" * max(0, length - frame), "ä" * (max(0, length - frame) // 2)):
        assert streams.feeds[0].give(text)
        assert (await client.hear())["payload"] == {"data": {"tick": text}}


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_a_frame_is_as_short_as_can_be(length: int) -> None:
    payload = b"x" * length
    assert head(length) + payload == Frame(Opcode.TEXT, payload).serialize(mask=False)


async def test_frames_keep_their_order_whichever_way_they_go(dial: Dial, streams: ToyStreams) -> None:
    client = await dial(max_queue=1)
    await client.init()
    await client.subscribe("1")
    await client.settled()
    (feed,) = streams.feeds

    async def give() -> None:
        for number in range(3_000):
            if feed.outlet.full:
                await feed.outlet.room()
            assert feed.give([number, "x" * 10_000])
            if number % 7 == 0:
                await asyncio.sleep(0)
        feed.outlet.complete()

    giving = asyncio.create_task(give())
    for number in range(3_000):
        assert (await client.hear())["payload"]["data"]["tick"][0] == number
    assert await client.hear() == {"id": "1", "type": "complete"}
    await giving


async def test_under_another_server_all_goes_by_send(app: Starlette, streams: ToyStreams) -> None:
    async with serving(app, ws="websockets-sansio") as server, server.dial() as client:
        await client.init()
        await client.subscribe("1")
        await client.settled()
        for number in range(100):
            assert streams.feeds[0].give(f"{number} ä")
        streams.feeds[0].outlet.complete()
        heard = await client.heard_until_settled()
        assert [each["payload"]["data"]["tick"] for each in heard[:-1]] == [f"{number} ä" for number in range(100)]
