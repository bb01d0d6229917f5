"""A database that falls silent, is busy, or ends what it was asked: delivery waits for it, and then misses nothing."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from models.connection import Connection
from resolvers import stream, user
from resolvers.process import Pool, Process
from resolvers.snapshot import Snapshot
from schema.node_id import NodeKind, key_of
from server.application import LIVE_CONNECTIONS, create_app
from server.broadcast import Hints
from server.embedded.valkey import EmbeddedValkey
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.hub.delivery import UNREACHABLE
from server.hub.handful import Together
from server.hub.hub import Hub
from server.process import make_pool
from server.settings import Settings
from tests.cast import PASSWORD, Person
from tests.conftest import ORIGIN
from tests.live.hold import Hold, cursor_of, has_read, reader
from tests.live.phone import PATIENCE, Switchboard
from tests.races import rows

# In seconds: how long an answer may take here.
LIMIT = 0.4

AUTHORS = """
    subscription ($room: ID!, $after: String) {
      messageAdded(roomId: $room, after: $after) { cursor message { sequence body author { name } } }
    }
"""


class Direction:
    """What is said one way. It may be kept back, or be lost."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self._open = asyncio.Event()
        self.let_go()

    def fall_silent(self, *, loses: bool = False) -> None:
        """Until it is let go. What is lost is lost for good: then only a cut is the end of it."""
        self.loses = loses
        if not loses:
            self._open.clear()

    def let_go(self) -> None:
        self.loses = False
        self._open.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(2**16):
                await self._open.wait()
                if self.loses:
                    self.lost.set()
                else:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


class Relay:
    """A network before the database, over TCP. It takes every connection, whatever happens behind it."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self.questions, self.answers = Direction(), Direction()
        self.url = ""

    @asynccontextmanager
    async def between(self) -> AsyncIterator["Relay"]:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"postgresql://{self._parts.username}@127.0.0.1:{port}{self._parts.path}"
        try:
            yield self
        finally:
            server.close()
            self.end()

    def let_go(self) -> None:
        self.questions.let_go()
        self.answers.let_go()

    def end(self) -> None:
        """Nobody waits for it any more."""
        self.let_go()
        self.cut()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        (sockets,) = parse_qs(self._parts.query)["host"]
        database, to_database = await asyncio.open_unix_connection(f"{sockets}/.s.PGSQL.5432")
        ours = {to_client, to_database}
        self._writers |= ours
        await asyncio.gather(self.questions.carry(client, to_database), self.answers.carry(database, to_client))
        self._writers -= ours


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with Relay(database_url).between() as relay:
        yield relay


async def outcome(work: Coroutine[Any, Any, Any], relay: Relay) -> BaseException | None:
    """How it ends. What does not end is cut, so that nothing hangs."""
    task = asyncio.create_task(work)
    done, _ = await asyncio.wait([task], timeout=PATIENCE)
    if not done:
        relay.end()
        await asyncio.wait([task])
        raise AssertionError("it does not end") from task.exception()
    return task.exception()


async def loses_a_connection(pool: Pool) -> None:
    """Wait until one has come back to the pool broken."""
    async with asyncio.timeout(PATIENCE):
        while pool.get_stats().get("returns_bad", 0) == 0:
            await asyncio.sleep(0.005)


async def pid_of(pool: Pool) -> int:
    async with asyncio.timeout(PATIENCE), pool.connection() as connection:
        cursor = await connection.execute("SELECT pg_backend_pid()")
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def make_pool_of(url: str, **options: Any) -> Pool:
    return AsyncConnectionPool(
        url, connection_class=Connection, min_size=1, max_size=8, open=False, kwargs={"autocommit": True, **options}
    )


@asynccontextmanager
async def hub_of(process: Process, pool: Pool, hints: Hints) -> AsyncIterator[Switchboard]:
    """A hub with a pool of its own."""
    own = replace(process, pool=pool)
    execution = Execution(ParleyEngine(own))
    hub = Hub(own, execution, hints)
    await hub.open()
    try:
        yield Switchboard(hub, execution)
    finally:
        await hub.close()


class TestALimit:
    @pytest.fixture
    async def pool(self, relay: Relay, tmp_path: Path) -> AsyncIterator[Pool]:
        """Of one connection, so that whoever asks next would meet it."""
        settings = Settings.model_validate({"database_url": relay.url, "data_dir": tmp_path})
        async with make_pool(settings, size=1) as pool:
            yield pool

    @pytest.mark.parametrize("silent", ["questions", "answers"])
    @pytest.mark.parametrize("length", [1, 20_000_000])
    async def test_ends_a_statement_that_is_not_answered_and_its_connection(
        self, pool: Pool, relay: Relay, silent: str, length: int
    ) -> None:
        """A long one fills what the system takes meanwhile, and waits with a part of it unsent."""
        before = await pid_of(pool)
        getattr(relay, silent).fall_silent()

        async def ask() -> None:
            async with pool.connection() as connection:
                try:
                    with connection.limited(LIMIT):
                        await connection.execute("SELECT length(%s)", ["x" * length])
                finally:
                    assert connection.closed

        assert isinstance(await outcome(ask(), relay), psycopg.OperationalError)
        assert pool.get_stats()["returns_bad"] == 1
        relay.let_go()
        assert await pid_of(pool) != before
        assert pool.get_stats()["pool_size"] == 1

    async def test_ends_a_statement_of_a_batch(self, pool: Pool, relay: Relay) -> None:
        before = await pid_of(pool)
        relay.answers.fall_silent()

        async def ask() -> None:
            async with pool.connection() as connection:
                with connection.limited(LIMIT):
                    async with connection.batch():
                        await connection.arrival(await connection.execute("SELECT 1"))

        assert isinstance(await outcome(ask(), relay), UNREACHABLE)
        relay.let_go()
        assert await pid_of(pool) != before

    async def test_is_over_with_what_was_asked(self, pool: Pool) -> None:
        async with pool.connection() as connection:
            with connection.limited(0.01):
                pass
            await connection.execute("SELECT pg_sleep(0.05)")
            with pytest.raises(psycopg.errors.DivisionByZero), connection.limited(0.01):
                raise psycopg.errors.DivisionByZero
            await connection.execute("SELECT pg_sleep(0.05)")
        assert pool.get_stats().get("returns_bad", 0) == 0

    @pytest.mark.parametrize("silent", ["questions", "answers"])
    @pytest.mark.parametrize("moment", ["first", "second", "end"])
    async def test_ends_a_snapshot_at_any_moment(
        self, process: Process, pool: Pool, relay: Relay, monkeypatch: pytest.MonkeyPatch, silent: str, moment: str
    ) -> None:
        monkeypatch.setattr("resolvers.snapshot.ANSWER_SECONDS", LIMIT)
        before = await pid_of(pool)

        async def ask() -> None:
            snapshot = Snapshot(replace(process, pool=pool))
            try:
                for each in ("first", "second"):
                    if each == moment:
                        getattr(relay, silent).fall_silent()
                    await snapshot.read(lambda connection: connection.execute("SELECT 1"))
                getattr(relay, silent).fall_silent()
            finally:
                await snapshot.close()

        failure = await outcome(ask(), relay)
        # All was answered already where it can't be ended.
        assert isinstance(failure, UNREACHABLE) == (moment != "end"), failure
        assert pool.get_stats()["returns_bad"] == 1
        relay.let_go()
        assert await pid_of(pool) != before


class TestDelivery:
    @pytest.fixture
    async def line(self, process: Process, relay: Relay, tmp_path: Path) -> AsyncIterator[Pool]:
        """The hub's own pool: what others ask of the database does not go through the relay."""
        settings = Settings.model_validate({"database_url": relay.url, "data_dir": tmp_path})
        async with make_pool(settings, size=LIVE_CONNECTIONS) as pool:
            yield pool

    @pytest.fixture
    async def live(
        self, process: Process, line: Pool, hints: Hints, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Switchboard]:
        for where in ("resolvers.snapshot.ANSWER_SECONDS", "server.hub.watch.ANSWER_SECONDS"):
            monkeypatch.setattr(where, LIMIT)
        monkeypatch.setattr("server.hub.hub.LOOK_SECONDS", LIMIT)
        monkeypatch.setattr("server.hub.hub.SWEEP", 0.1)
        async with hub_of(process, line, hints) as live:
            yield live
            relay.end()

    @pytest.mark.parametrize("silent", ["questions", "answers"])
    @pytest.mark.parametrize("cut", [False, True])
    async def test_goes_on_where_it_was(
        self,
        live: Switchboard,
        line: Pool,
        relay: Relay,
        ada: Person,
        ben: Person,
        cleo: Person,
        dan: Person,
        silent: str,
        cut: bool,
    ) -> None:
        """Also for who comes meanwhile."""
        room = await ada.make_room(ben, cleo, dan)
        cursor = await cursor_of(dan)
        phones = [await live.call(person, room) for person in (ben, cleo, cleo)]
        await ada.send(room, "Before")
        for phone in phones:
            await phone.has("Before")
        direction: Direction = getattr(relay, silent)
        direction.fall_silent(loses=cut)
        calling = asyncio.create_task(live.call(dan, room, cursor))
        for text in ("One", "Two"):
            await ada.send(room, text)
        await loses_a_connection(line)
        assert [(phone.texts, phone.ended) for phone in phones] == [(["Before"], None)] * 3
        assert not calling.done()
        relay.let_go()
        if cut:
            relay.cut()
        await ada.send(room, "Behind")
        for phone in [*phones, await calling]:
            await phone.has("Before", "One", "Two", "Behind")
            assert phone.ended is None

    async def test_waits_for_no_look_for_ever(
        self,
        live: Switchboard,
        process: Process,
        relay: Relay,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The sweep's answer is lost, and what it would tell is told by nothing else."""
        object.__setattr__(process, "publish", lambda *_: None)
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        held = Hold(monkeypatch, stream, "newest_of_all")
        await held.reached.wait()
        relay.answers.fall_silent(loses=True)
        held.let_go()
        await relay.answers.lost.wait()
        relay.let_go()
        await ada.send(room, "Untold")
        await phone.has("Untold")

    async def test_begins_when_its_database_is_back(
        self,
        live: Switchboard,
        line: Pool,
        relay: Relay,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """For the first who comes."""

        async def look() -> None:
            """Nothing is found by a sweep."""

        monkeypatch.setattr(live.hub, "_look", look)
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        await line.wait()
        relay.answers.fall_silent()
        calling = asyncio.create_task(live.call(cleo, room, cursor))
        await loses_a_connection(line)
        await ada.send(room, "Before it began")
        relay.let_go()
        phone = await calling
        await ada.send(room, "Live")
        await phone.has("Before it began", "Live")

    @pytest.mark.parametrize("handful", [1, 1_000])
    async def test_gives_nothing_twice_of_a_batch_that_it_had_begun_to_give(
        self,
        live: Switchboard,
        line: Pool,
        relay: Relay,
        ada: Person,
        ben: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        handful: int,
    ) -> None:
        monkeypatch.setattr("server.hub.watch._Live.together", Together(handful, handful, 60))
        room = await ada.make_room(ben, cleo)
        phones = [await live.call(person, room, query=AUTHORS) for person in (ben, cleo)]
        reading = Hold(monkeypatch, stream, "read_on")
        await ada.send(room, "One")
        await reading.reached.wait()
        authors, asked = user.authors, []

        async def silenced(*arguments: Any) -> Any:
            asked.append(arguments)
            if len(asked) == 2:
                relay.answers.fall_silent()
            return await authors(*arguments)

        monkeypatch.setattr(user, "authors", silenced)
        await ada.send(room, "Two")
        reading.let_go()
        await loses_a_connection(line)
        assert [phone.texts for phone in phones] == [["One"]] * 2
        relay.let_go()
        await ada.send(room, "Three")
        for phone in phones:
            await phone.has("One", "Two", "Three")

    @pytest.mark.parametrize("cut", [False, True])
    async def test_of_the_log_goes_on_where_it_was(
        self,
        live: Switchboard,
        line: Pool,
        relay: Relay,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        cut: bool,
    ) -> None:
        monkeypatch.setattr("server.hub.replay.PAGE", 2)
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        texts = [f"Number {number}" for number in range(5)]
        for text in texts:
            await ada.send(room, text)
        pages = stream.log_about
        asked = []

        async def silenced(*arguments: Any, **more: Any) -> Any:
            asked.append(arguments)
            if len(asked) == 2:
                relay.answers.fall_silent(loses=cut)
            return await pages(*arguments, **more)

        monkeypatch.setattr(stream, "log_about", silenced)
        phone = await live.call(cleo, room, cursor)
        await loses_a_connection(line)
        assert phone.texts == texts[:2]
        relay.let_go()
        if cut:
            relay.cut()
        await phone.has(*texts)
        await ada.send(room, "Live")
        await phone.has(*texts, "Live")


class TestABusyDatabase:
    @pytest.fixture
    async def hints(self, valkey: EmbeddedValkey) -> AsyncIterator[Hints]:
        """As the application's own."""
        hints = Hints(valkey.url)
        await hints.open()
        yield hints
        await hints.close()

    @pytest.fixture
    async def api(
        self, database_url: str, valkey: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[tuple[httpx.AsyncClient, Switchboard]]:
        """The whole application, with two connections for what it is asked."""
        hubs: list[Hub] = []

        class Found(Hub):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments)
                hubs.append(self)

        monkeypatch.setattr("server.application.Hub", Found)
        for name in ("collect", "freeze", "set_threshold"):
            monkeypatch.setattr(f"server.application.gc.{name}", lambda *_: None)
        settings = {
            "database_url": database_url,
            "database_pool_size": 2,
            "valkey_url": valkey.url,
            "lock_timeout_ms": 60_000,
            "secret_key": "a secret of the tests, which is long enough",
            "data_dir": tmp_path,
            "explorer": False,
        }
        app = create_app(Settings.model_validate(settings))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client,
        ):
            yield client, Switchboard(hubs[0], hubs[0]._execution)

    async def test_whose_room_is_locked_holds_up_no_other_room(
        self, api: tuple[httpx.AsyncClient, Switchboard], process: Process, ada: Person, cleo: Person
    ) -> None:
        client, live = api
        locked, room = await ada.make_room(cleo), await ada.make_room(cleo)
        here = {}
        for each in (ada, cleo):
            here[each] = Person(each.member, each.workspace_id, each.user_id, client)
            signed_in = await here[each].done(
                "signIn", {"email": each.member.email, "password": PASSWORD}, "session { accessToken }"
            )
            here[each].token = signed_in["session"]["accessToken"]
        phone = await live.call(here[cleo], room)
        await ada.send(room, "Before")
        await phone.has("Before")
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        async with process.pool.connection() as connection, connection.transaction():
            await connection.execute("SELECT 1 FROM room WHERE id = %s FOR UPDATE", [key_of(NodeKind.ROOM, locked)])
            changes = {"roomId": locked, "name": "Greenhouse"}
            mutations = [asyncio.create_task(here[ada].done("renameRoom", changes)) for _ in range(4)]
            async with asyncio.timeout(PATIENCE):
                while len(await rows(process, waiting)) < 2:
                    await asyncio.sleep(0.005)
            await ada.send(room, "Meanwhile")
            await phone.has("Before", "Meanwhile")
            # Whoever comes now is let in, too.
            cursor = phone.cursor
            phones = [await live.call(here[cleo], room), await live.call(here[cleo], room, cursor)]
            await ada.send(room, "Later")
            for late in phones:
                await late.has("Later")
            assert not any(mutation.done() for mutation in mutations)
        await asyncio.gather(*mutations)


class TestWhatTheDatabaseEnds:
    @pytest.fixture
    async def pool(self, database_url: str) -> AsyncIterator[Pool]:
        """It prepares nothing: what a change of a table ends is the hub's alone."""
        async with make_pool_of(database_url, prepare_threshold=None) as pool:
            yield pool

    @pytest.fixture
    async def live(self, process: Process, hints: Hints, database_url: str) -> AsyncIterator[Switchboard]:
        """Its hub has prepared whatever it has asked before."""
        async with make_pool_of(database_url, prepare_threshold=1) as pool, hub_of(process, pool, hints) as live:
            yield live

    @pytest.mark.parametrize("where", [(stream, "rooms_of_events"), (user, "authors")], ids=["reading", "executing"])
    async def test_because_its_reader_slept_is_read_again(
        self,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        where: tuple[Any, str],
    ) -> None:
        """As when the process is stopped for longer than a transaction may be idle."""
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room, query=AUTHORS)
        delivering = reader(live, ada)._process
        object.__setattr__(delivering, "idle_transaction_timeout_ms", 50)
        held = Hold(monkeypatch, *where)
        await ada.send(room, "One")
        await held.reached.wait()
        idle = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        async with asyncio.timeout(PATIENCE):
            while await rows(process, idle):
                await asyncio.sleep(0.005)
        object.__setattr__(delivering, "idle_transaction_timeout_ms", 30_000)
        held.let_go()
        await ada.send(room, "Two")
        await phone.has("One", "Two")
        assert [each.message for each in caplog.records if each.levelname == "ERROR"] == []

    @pytest.mark.parametrize(
        "change",
        [
            "ALTER TABLE message ADD COLUMN note text",
            # Also what a reader asks, and not only what an execution does.
            'ALTER TABLE message ALTER COLUMN body TYPE varchar; ALTER TABLE "user" ALTER COLUMN name TYPE varchar',
            'ALTER TABLE "user" ALTER COLUMN name TYPE varchar',
            "ALTER TABLE event ALTER COLUMN kind TYPE varchar",
        ],
        ids=["a new column", "another type", "another type for an execution", "another type for the reader"],
    )
    async def test_because_a_table_has_changed_is_asked_anew(
        self,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        caplog: pytest.LogCaptureFixture,
        change: str,
    ) -> None:
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room, query=AUTHORS)
        texts = [f"Number {number}" for number in range(8)]
        for text in texts:
            await ada.send(room, text)
            await has_read(live, ada, process)
        async with process.pool.connection() as connection:
            await connection.execute(change.encode())
        for text in ("Behind", "And on"):
            await ada.send(room, text)
        await phone.has(*texts, "Behind", "And on")
        assert [each.message for each in caplog.records if each.levelname == "ERROR"] == []
