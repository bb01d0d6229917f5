"""What is no WebSocket any more, byte by byte: the socket ends by a code of RFC 6455, and nobody else notices."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.exceptions import ConnectionClosed

from tests.websocket.conftest import SECONDS, Client, Dial, Server
from tests.websocket.toy import ToyStreams
from tests.websocket.wire import HANDSHAKE, SUBSCRIBE, said

MASK = b"\0\0\0\0"


def frame(first: int, payload: bytes = b"", length: bytes | None = None) -> bytes:
    """Masked as a client's, with a mask of zeros; the length may say what isn't so."""
    assert len(payload) < 126
    return bytes((first,)) + (length or bytes((0x80 | len(payload),))) + MASK + payload


# By what they break: the frames, and the code that they are closed with.
GARBAGE = {
    "not masked": (b"\x81\x02{}", 1002),
    "a reserved bit": (frame(0xC1, b"{}"), 1002),
    "all reserved bits": (frame(0xF1, b"{}"), 1002),
    "a data frame of no kind": (frame(0x83, b"{}"), 1002),
    "a control frame of no kind": (frame(0x8B), 1002),
    "a ping in pieces": (frame(0x09, b"x"), 1002),
    "a ping of 126 bytes": (b"\x89\xfe\x00\x7e" + MASK + b"x" * 126, 1002),
    "the rest of nothing": (frame(0x80, b"{}"), 1002),
    "a message within a message": (frame(0x01, b"{") + frame(0x81, b"}"), 1002),
    "a close with half a code": (frame(0x88, b"\x03"), 1002),
    "a close with a code of nobody's": (frame(0x88, (999).to_bytes(2, "big")), 1002),
    "a close with a code that is never sent": (frame(0x88, (1005).to_bytes(2, "big")), 1002),
    "a close whose reason is no text": (frame(0x88, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    "a text that is none": (frame(0x81, b"\xff\xfe"), 1007),
    "a text that is cut within a letter": (frame(0x01, b'{"a":"\xc3') + frame(0x80, b'"}'), 1007),
    "HTTP once more": (HANDSHAKE, 1002),
    "a head of 10 MB": (frame(0x81, length=b"\xff" + (10_000_000).to_bytes(8, "big")), 1009),
    "a head of all there is": (frame(0x81, length=b"\xff" + (2**63 - 1).to_bytes(8, "big")), 1009),
}


class Raw:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def end(self) -> bytes:
        """All that it hears until it is closed. What was not read by the server may take that with it."""
        async with asyncio.timeout(SECONDS):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def raw(server: Server) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection(*server.address.split(":"))
    writer.write(HANDSHAKE)
    async with asyncio.timeout(SECONDS):
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


def closed_with(heard: bytes) -> int:
    """The code of the close frame that ends it."""
    place = heard.rindex(b"\x88", 0, -1) if b"\x88" in heard else -1
    assert place >= 0, heard
    return int.from_bytes(heard[place + 2 : place + 4], "big")


@pytest.fixture
async def calm(client: Client, streams: ToyStreams) -> Client:
    await client.subscribe("1")
    await client.settled()
    await streams.asked.get()
    return client


async def all_is_well(calm: Client, streams: ToyStreams) -> None:
    """For whoever does nothing of the kind."""
    assert streams.feeds[0].give("all is well")
    assert (await calm.hear())["payload"] == {"data": {"tick": "all is well"}}


def unexpected(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.name.startswith(("uvicorn", "parley", "websockets", "asyncio"))]


@pytest.mark.parametrize("subscribed", [False, True], ids=["at once", "with a stream"])
@pytest.mark.parametrize(("sent", "code"), GARBAGE.values(), ids=GARBAGE)
async def test_it_ends_the_socket_and_is_nothing_to_others(
    server: Server,
    calm: Client,
    streams: ToyStreams,
    caplog: pytest.LogCaptureFixture,
    sent: bytes,
    code: int,
    subscribed: bool,
) -> None:
    caplog.set_level(logging.INFO)
    async with raw(server) as wild:
        if subscribed:
            wild.writer.write(said({"type": "connection_init"}) + said(SUBSCRIBE))
            async with asyncio.timeout(SECONDS):
                feed = await streams.asked.get()
        wild.writer.write(sent)
        assert closed_with(await wild.end()) == code
        if subscribed:
            async with asyncio.timeout(SECONDS):
                await feed.was_closed.wait()
            assert not feed.give("late")
    await all_is_well(calm, streams)
    await calm.settled()
    assert unexpected(caplog) == []


@pytest.mark.parametrize("seed", range(20))
async def test_random_bytes_end_the_socket_and_are_nothing_to_others(
    server: Server, calm: Client, streams: ToyStreams, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    caplog.set_level(logging.INFO)
    async with raw(server) as wild:
        wild.writer.write(said({"type": "connection_init"}) + random.Random(seed).randbytes(100_000))
        wild.writer.write_eof()
        await wild.end()
    await all_is_well(calm, streams)
    await calm.settled()
    assert unexpected(caplog) == []


@pytest.mark.parametrize("cut", [1, 2, 5, 6, 60, 100_000])
async def test_who_goes_within_a_frame_leaves_nothing(server: Server, cut: int) -> None:
    whole = b"\x81\xff" + (1_000_000).to_bytes(8, "big") + MASK + b" " * 1_000_000
    before = len(server.connections)
    async with raw(server) as wild:
        wild.writer.write(whole[:cut])
        await wild.writer.drain()
    async with asyncio.timeout(SECONDS):
        while len(server.connections) > before:
            await asyncio.sleep(0)
    await server.left()


async def test_a_frame_of_ten_megabytes_closes_the_socket(dial: Dial, calm: Client, streams: ToyStreams) -> None:
    client = await dial()
    await client.init()
    sending = asyncio.create_task(client.wire.send("x" * 10_000_000))
    assert (await client.closed())[0] == 1009
    with contextlib.suppress(ConnectionClosed):
        await sending
    await all_is_well(calm, streams)
