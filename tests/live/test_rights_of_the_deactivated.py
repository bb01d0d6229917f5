"""Who is deactivated gets nothing more: at once where their sign-ins end with it, and else with what happens next."""

from contextlib import AsyncExitStack

import pytest

from resolvers import stream
from resolvers.errors import Unauthenticated
from resolvers.process import Process
from server.broadcast import Hints
from server.embedded.valkey import EmbeddedValkey
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.hub.hub import Hub
from tests.cast import Person, sign_in_of
from tests.ledger import Ledger
from tests.live.endings import is_deactivated
from tests.live.hold import Hold, cursor_of, has_read
from tests.live.phone import Phone, Switchboard
from tests.live.streams import STREAMS, follows
from tests.live.test_events import Listener


async def follow(live: Switchboard, person: Person, room: str, name: str, after: str | None = None) -> Phone:
    return await live.call(person, room, after, STREAMS[name], phone=Listener())


class TestWithTheirSignIns:
    @pytest.fixture(params=["hears", "hears nothing"])
    async def second(
        self,
        request: pytest.FixtureRequest,
        process: Process,
        hints: Hints,
        valkey: EmbeddedValkey,
        stack: AsyncExitStack,
    ) -> Switchboard:
        """A second server. Without hints, it finds everything by its sweep."""
        ear = Hints(valkey.url if request.param == "hears" else "redis://127.0.0.1:1", hints._namespace)
        await ear.open()
        stack.push_async_callback(ear.close)
        execution = Execution(ParleyEngine(process))
        hub = Hub(process, execution, ear)
        await hub.open()
        stack.push_async_callback(hub.close)
        return Switchboard(hub, execution)

    async def test_all_their_devices_are_closed_on_all_servers_though_nothing_else_happens(
        self, live: Switchboard, second: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        others = [await follow(server, ada, room, name) for server in (live, second) for name in STREAMS]
        phones = []
        for _ in range(2):
            again = await sign_in_of(process, cleo.workspace_id, cleo.user_id)
            cleo.token = again.access_token
            phones += [await follow(server, cleo, room, name) for server in (live, second) for name in STREAMS]
        await is_deactivated(process, cleo)
        for phone in phones:
            await phone.until(lambda phone: phone.ended == "expelled")
        await ada.send(room, "Without her")
        for phone in others:
            await phone.until(lambda phone: len(phone.payloads) == 1)
        assert [phone.payloads for phone in phones] == [[]] * len(phones)

    @follows
    async def test_a_process_that_is_behind_gives_nothing_of_what_was_written_before(
        self,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:
        """A text of before may have been edited behind it."""
        room = await ada.make_room(cleo)
        phone, other = await follow(live, cleo, room, name), await follow(live, ada, room, name)
        reading = Hold(monkeypatch, stream, "read_on")
        message = await ada.send(room, "For all of us")
        await reading.reached.wait()
        await is_deactivated(process, cleo)
        await ada.done("editMessage", {"messageId": message["id"], "body": "Not for cleo"})
        reading.let_go()
        await phone.until(lambda phone: phone.ended == "expelled")
        await other.until(lambda phone: b"Not for cleo" in b"".join(phone.payloads))
        assert phone.payloads == []


class TestWithoutAnyEvent:
    """As when an operator changes the row."""

    @follows
    async def test_the_next_event_ends_the_stream(
        self, live: Switchboard, ledger: Ledger, ada: Person, cleo: Person, name: str
    ) -> None:
        room = await ada.make_room(cleo)
        phone, other = await follow(live, cleo, room, name), await follow(live, ada, room, name)
        await ledger.set_status(cleo, "DEACTIVATED")
        await ada.send(room, "Too late")
        await phone.until(lambda phone: phone.ended == "expelled")
        await other.until(lambda phone: len(phone.payloads) == 1)
        assert phone.payloads == []

    @follows
    async def test_the_snapshot_of_a_batch_decides(
        self,
        live: Switchboard,
        process: Process,
        ledger: Ledger,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:
        """It falls between the rights and the texts: she gets those that were there, and never those of behind."""
        room = await ada.make_room(cleo)
        phone, other = await follow(live, cleo, room, name), await follow(live, ada, room, name)
        held = Hold(monkeypatch, stream, "messages_of_events")
        message = await ada.send(room, "For all of us")
        await held.reached.wait()
        await ledger.set_status(cleo, "DEACTIVATED")
        await ada.done("editMessage", {"messageId": message["id"], "body": "Not for cleo"})
        await ada.send(room, "Nor this")
        held.let_go()
        await phone.until(lambda phone: phone.ended == "expelled")
        await other.until(lambda phone: b"Nor this" in b"".join(phone.payloads))
        assert len(phone.payloads) == 1
        assert b"For all of us" in phone.payloads[0]

    @follows
    async def test_nobody_begins_or_resumes(
        self, live: Switchboard, process: Process, ledger: Ledger, ada: Person, cleo: Person, name: str
    ) -> None:
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        cursor = await cursor_of(cleo)
        await ada.send(room, "Missed")
        await has_read(live, ada, process)
        await ledger.set_status(cleo, "DEACTIVATED")
        for after in (None, cursor):
            with pytest.raises(Unauthenticated):
                await follow(live, cleo, room, name, after)

    @follows
    async def test_the_next_page_of_the_log_is_given_to_nobody(
        self, live: Switchboard, ledger: Ledger, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setattr("server.hub.replay.PAGE", 2)
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        for text in ("One", "Two", "Three"):
            await ada.send(room, text)
        first = Hold(monkeypatch, stream, "log_about")
        phone = await follow(live, cleo, room, name, cursor)
        await first.reached.wait()
        second = Hold(monkeypatch, stream, "standing")
        first.let_go()
        await second.reached.wait()
        await ledger.set_status(cleo, "DEACTIVATED")
        second.let_go()
        await phone.until(lambda phone: phone.ended == "expelled")
        assert len(phone.payloads) == 2
