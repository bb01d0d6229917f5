"""What is kept for a client to whom nothing happens: no more than its subscriptions need."""

import asyncio
import gc
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from server.connections import Bounds
from server.websocket.idle import Gate, Inbox
from tests.http.toy import ToyEngine
from tests.websocket.conftest import SECONDS, Server, serving, until
from tests.websocket.toy import ToyStreams
from tests.websocket.wire import HANDSHAKE, SUBSCRIBE, Wire, said

# Of the WebSocket itself, as a client answers the server's pings.
PONG = b"\x8a\x80" + b"\0\0\0\0"


class Mark:
    """A text that this test itself keeps nowhere."""

    def __init__(self) -> None:
        self._reversed = secrets.token_hex()

    @property
    def text(self) -> str:
        return self._reversed[::-1]

    def keepers(self) -> list[object]:
        """Whatever holds a text in which it stands."""
        text, raw = self.text, self.text.encode()

        def stands_in(held: object) -> bool:
            # The collector does not know containers in which there are only texts.
            if isinstance(held, dict | tuple) and not gc.is_tracked(held):
                return any(map(stands_in, gc.get_referents(held)))
            if isinstance(held, str):
                return held is not text and text in held
            return isinstance(held, bytes | bytearray) and held is not raw and raw in held

        gc.collect()
        return [each for each in gc.get_objects() if any(map(stands_in, gc.get_referents(each)))]


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """By a client that keeps nothing itself."""
    reader, writer = await asyncio.open_connection(*server.address.split(":"))
    try:
        async with asyncio.timeout(SECONDS):
            yield reader, writer
    finally:
        writer.transport.abort()


async def test_neither_the_handshake_nor_the_last_message_is_kept(app: Starlette, streams: ToyStreams) -> None:
    mark = Mark()
    # Behind a proxy, uvicorn keeps the last header.
    async with serving(app, proxy_headers=False) as server, connected(server) as (reader, writer):
        writer.write(HANDSHAKE[:-2] + f"X-Device: {mark.text}\r\nCookie: a={mark.text}\r\n\r\n".encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(said({"type": "connection_init"}) + said(SUBSCRIBE))
        await streams.asked.get()
        writer.write(said({"type": "ping", "payload": {"x": mark.text}}) + PONG)
        await reader.readuntil(mark.text.encode())
        await until(lambda: [each._said for each in server.connections] == [4])
        assert mark.keepers() == []


async def test_an_idle_subscriber_is_one_task(server: Server, streams: ToyStreams) -> None:
    before = asyncio.all_tasks()
    async with connected(server) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said({"type": "connection_init"}) + said(SUBSCRIBE) + said({"type": "ping"}))
        await reader.readuntil(b'"pong"')
        assert streams.feeds
        assert len(asyncio.all_tasks() - before) == 1


async def test_a_server_that_stops_waits_for_no_close_that_is_on_its_way(
    engine: ToyEngine, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both interrupt the one task that there is."""
    monkeypatch.setattr("server.websocket.connection._FAREWELL", 1_000 * SECONDS)
    wire = Wire(engine, streams, Bounds())
    wire.subscribe("1")
    feed = await asyncio.wait_for(streams.asked.get(), SECONDS)
    await wire.settled()
    wire.taken.clear()
    feed.outlet.expel("The sign-in has ended.")
    wire.task.cancel()
    await wire.ended()


async def test_who_gives_up_at_a_gate_opens_it_for_nobody() -> None:
    gate = Gate()
    gate.clear()
    impatient, patient = (asyncio.create_task(gate.wait()) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait([impatient])
    assert not patient.done()
    assert not gate.is_set()
    gate.set()
    await asyncio.wait_for(patient, SECONDS)


async def test_who_stops_waiting_at_an_inbox_takes_nothing_with_them() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait("first")
    waiting.cancel()
    await asyncio.wait([waiting])
    inbox.put_nowait("second")
    async with asyncio.timeout(SECONDS):
        assert [await inbox.get(), await inbox.get()] == ["first", "second"]
    assert inbox.empty()
