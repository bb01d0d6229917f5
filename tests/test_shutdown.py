"""SIGTERM to an API process while everybody is busy: nothing is lost, and clients go on elsewhere."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from schema.node_id import NodeKind, key_of
from server.embedded.valkey import EmbeddedValkey
from tests.api import NUMBERS, PATIENCE, Api, Listener, dialled, serving, sign_in
from tests.cast import Person
from tests.clients.npm import installed

RESTARTED = 1012
"""The service restarts (https://www.iana.org/assignments/websocket): clients connect anew."""

SEND = """
    mutation ($room: ID!, $key: String!) {
      sendMessage(input: {roomId: $room, body: $key, idempotencyKey: $key}) { message { sequence } userErrors { code } }
    }
"""


@pytest.fixture
async def apis(
    database_url: str, valkey: EmbeddedValkey, tmp_path: Path, stack: AsyncExitStack, ada: Person, cleo: Person
) -> list[Api]:
    """Two processes. The cast acts at the first one."""
    more = {"lock_timeout_ms": 60_000, "idle_transaction_timeout_ms": 60_000}
    started = [
        await stack.enter_async_context(serving(tmp_path / name, database_url, valkey, **more)) for name in ("a", "b")
    ]
    await sign_in([ada, cleo], started[0].client)
    return started


async def ended_well(api: Api) -> None:
    """Of itself: everything came to its end, and nothing had to be broken off."""
    await asyncio.to_thread(api.process.wait, PATIENCE)
    assert api.process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in api.log
    assert "timeout graceful shutdown exceeded" not in api.log
    assert "Application shutdown complete" in api.log


async def refuses(api: Api) -> None:
    """Until nobody new is let in."""
    while True:
        try:
            _, writer = await asyncio.open_connection(api.client.base_url.host, api.client.base_url.port)
        except OSError:
            return
        writer.close()
        await asyncio.sleep(0.01)


async def test_nothing_is_lost_while_many_send_and_npm_clients_move_to_another_process(
    apis: list[Api], ada: Person, cleo: Person
) -> None:
    stopped, other = apis
    clients, senders, each = 20, 8, 40
    room = await ada.make_room(cleo)
    script = await asyncio.create_subprocess_exec(
        *("node", "resuming.mjs", str(cleo.token), room, str(clients), str(senders * each)),
        *(f"ws://{api.client.base_url.netloc.decode()}/graphql" for api in apis),
        cwd=installed(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert script.stdout is not None
    sent: dict[str, int] = {}
    unanswered: list[str] = []

    async def send(sender: int) -> None:
        for number in range(each):
            key = f"{sender} {number}"
            while True:
                client = other.client if stopped.process.poll() is not None or key in unanswered else stopped.client
                try:
                    answer = await client.post(
                        "/graphql",
                        json={"query": SEND, "variables": {"room": room, "key": key}},
                        headers={"authorization": f"Bearer {ada.token}"},
                    )
                except httpx.TransportError:
                    unanswered.append(key)  # it was refused, or met the end of an idle connection: it is sent again
                    continue
                sent[key] = answer.json()["data"]["sendMessage"]["message"]["sequence"]
                if len(sent) == senders * each // 3:
                    stopped.process.send_signal(signal.SIGTERM)
                break

    try:
        async with asyncio.timeout(PATIENCE):
            assert await script.stdout.readline() == b"ready\n"
            await asyncio.gather(*map(send, range(senders)))
            told = json.loads(await script.stdout.readline())
            await script.wait()
    finally:
        if script.returncode is None:
            script.kill()
            await script.wait()
    await ended_well(stopped)
    whole = list(range(1, senders * each + 1))
    assert unanswered, "it was stopped too late to matter"
    assert sorted(sent.values()) == whole
    assert told["seen"] == [whole] * clients
    assert told["closed"].count(RESTARTED) == clients
    assert other.process.poll() is None


class Held:
    """The room is locked: whoever sends there waits."""

    def __init__(self, database_url: str, room: str) -> None:
        self._database_url = database_url
        self._room = key_of(NodeKind.ROOM, room)

    async def __aenter__(self) -> "Held":
        self._lock = await psycopg.AsyncConnection.connect(self._database_url)
        await self._lock.execute("SELECT 1 FROM room WHERE id = %s FOR UPDATE", [self._room])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lock.close()

    async def let_go(self) -> None:
        await self._lock.commit()

    async def waiting(self, most: int) -> None:
        """Until so many wait."""
        async with await psycopg.AsyncConnection.connect(self._database_url, autocommit=True) as watch:
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            while True:
                row = await (await watch.execute(query)).fetchone()
                assert row is not None
                if row[0] >= most:
                    return
                await asyncio.sleep(0.01)


async def test_mutations_in_flight_run_to_their_end_and_are_answered(
    apis: list[Api], database_url: str, ada: Person, cleo: Person, stack: AsyncExitStack
) -> None:
    """By a socket they run to their end too, but its close comes first; sent again by its key, it is the same one."""
    stopped, other = apis
    room = await ada.make_room(cleo)
    by_http, by_socket = ("one", "two", "three"), "four"
    async with asyncio.timeout(PATIENCE), Held(database_url, room) as held:
        wire = await stack.enter_async_context(dialled(cleo))
        before = Listener(wire, room)
        before.cursor = (await cleo.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        await before.subscribe()
        sending = [asyncio.create_task(ada.ask(SEND, room=room, key=key)) for key in by_http]
        payload = {"query": SEND, "variables": {"room": room, "key": by_socket}}
        await wire.send(json.dumps({"id": "2", "type": "subscribe", "payload": payload}))
        await held.waiting(len(by_http) + 1)

        stopped.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosedError) as closed:
            await before.read(1)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == RESTARTED
        await refuses(stopped)
        assert stopped.process.poll() is None, "it waits for them"
        await held.let_go()
        answers = [answer["sendMessage"]["message"]["sequence"] for answer in await asyncio.gather(*sending)]
        await ended_well(stopped)

        ada.client = cleo.client = other.client
        behind = Listener(await stack.enter_async_context(dialled(cleo)), room, after=before)
        await behind.subscribe()
        assert await behind.read(4) is None
        assert behind.seen == [1, 2, 3, 4]
        again = await cleo.ask(SEND, room=room, key=by_socket)
        assert sorted([*answers, again["sendMessage"]["message"]["sequence"]]) == [1, 2, 3, 4]


async def test_clients_that_take_nothing_keep_it_from_nothing(
    apis: list[Api], ada: Person, cleo: Person, stack: AsyncExitStack
) -> None:
    """Not those either that have closed their sockets, and have still to take what was written to them before."""
    stopped, other = apis
    room = await ada.make_room(cleo)
    much = NUMBERS.replace("sequence", "sequence " + " ".join(f"copy{number}: body" for number in range(6)))
    async with asyncio.timeout(PATIENCE):
        listeners = []
        for _ in range(4):
            wire = await stack.enter_async_context(dialled(cleo))
            listeners.append(Listener(wire, room))
            await listeners[-1].subscribe(much)
        for _ in range(40):
            await ada.send(room, "x" * 10_000)
        for listener in listeners[:2]:
            listener.say_goodbye()
        witness = Listener(await stack.enter_async_context(dialled(cleo)), room)
        await witness.subscribe()  # what was said before has been heard
        stopped.process.send_signal(signal.SIGTERM)
        await ended_well(stopped)
        ada.client = cleo.client = other.client
        for listener in listeners:
            with pytest.raises(ConnectionClosed):
                await listener.read(40)
            behind = Listener(await stack.enter_async_context(dialled(cleo)), room, after=listener)
            await behind.subscribe()
            assert await behind.read(40) is None
            assert behind.seen == list(range(1, 41))
