"""The races of live delivery, each held open at its critical point."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from models import event as events
from models.event import EventKind
from resolvers import stream
from resolvers.errors import Unauthenticated
from resolvers.event import newest
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.session import begin
from resolvers.snapshot import Snapshot
from schema.node_id import NodeKind, key_of
from server.graphql.streams import Unavailable
from tests.cast import Person
from tests.live.phone import Phone, Switchboard
from tests.races import rows


class Hold:
    """A function of a module that stops once, before its work or behind it, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, *, behind: bool = False) -> None:
        self.reached, self._go_on = asyncio.Event(), asyncio.Event()
        work: Callable[..., Awaitable[Any]] = getattr(where, name)

        async def held(*arguments: Any, **more: Any) -> Any:
            if self.reached.is_set():
                return await work(*arguments, **more)
            if not behind:
                await self._stop()
                return await work(*arguments, **more)
            found = await work(*arguments, **more)
            await self._stop()
            return found

        monkeypatch.setattr(where, name, held)

    async def _stop(self) -> None:
        self.reached.set()
        await self._go_on.wait()

    def let_go(self) -> None:
        self._go_on.set()


async def cursor_of(person: Person) -> str:
    found: str = (await person.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
    return found


def reader(live: Switchboard, person: Person) -> Any:
    return live.hub._watches[person.workspace_id][0]


async def has_read(live: Switchboard, person: Person, process: Process) -> None:
    """Wait until the reader has come to the end of the line."""
    async with process.pool.connection() as connection:
        end = await newest(connection, person.workspace_id)
    async with asyncio.timeout(20):
        while reader(live, person).at != end:
            await asyncio.sleep(0.005)


class TestSubscribingHasNoGap:
    async def test_what_commits_while_one_is_judged_comes_once(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Behind S, but before the subscriber is live: the reader has found it meanwhile."""
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        held = Hold(monkeypatch, stream, "judge", behind=True)
        calling = asyncio.create_task(live.call(cleo, room))
        await held.reached.wait()
        await ada.send(room, "Just then")
        await has_read(live, ada, process)
        held.let_go()
        phone = await calling
        await ada.send(room, "Later")
        await phone.has("Just then", "Later")

    @pytest.mark.parametrize("read", [True, False])
    async def test_what_commits_before_one_is_judged_comes_from_the_log(
        self,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        read: bool,
    ) -> None:
        """Above the cursor and at or below S: the log has it, whether the reader has found it or not."""
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        cursor = await cursor_of(cleo)
        held = Hold(monkeypatch, stream, "judge")
        calling = asyncio.create_task(live.call(cleo, room, cursor))
        await held.reached.wait()
        reading = Hold(monkeypatch, stream, "read_on")
        await ada.send(room, "Just then")
        if read:
            reading.let_go()
            await has_read(live, ada, process)
        held.let_go()
        phone = await calling
        await phone.has("Just then")
        reading.let_go()
        await ada.send(room, "Later")
        await phone.has("Just then", "Later")

    async def test_a_reader_that_is_behind_repeats_nothing(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        other = await live.call(ada, room)
        cursor = await cursor_of(cleo)
        reading = Hold(monkeypatch, stream, "read_on")
        await ada.send(room, "One")
        await reading.reached.wait()
        await ada.send(room, "Two")
        resumed, fresh = await live.call(cleo, room, cursor), await live.call(cleo, room)
        await resumed.has("One", "Two")
        reading.let_go()
        await ada.send(room, "Three")
        await resumed.has("One", "Two", "Three")
        await fresh.has("Three")
        await other.has("One", "Two", "Three")

    async def test_a_send_that_has_its_position_and_no_commit_yet_comes_live(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        before = await cursor_of(cleo)
        send = events.insert_events.send

        class Line:
            @staticmethod
            async def taken(connection: Any, **parameters: Any) -> Any:
                cursor = await send(connection, **parameters)
                await connection.arrival(cursor)
                return cursor

        held = Hold(monkeypatch, Line, "taken", behind=True)
        monkeypatch.setattr(events.insert_events, "send", Line.taken)
        sending = asyncio.create_task(ada.send(room, "Nearly there"))
        await held.reached.wait()
        phones = [await live.call(cleo, room), await live.call(cleo, room, before)]
        held.let_go()
        await sending
        await ada.send(room, "And this")
        for phone in phones:
            await phone.has("Nearly there", "And this")

    async def test_a_page_of_the_log_and_the_reader_share_nothing_and_miss_nothing(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What commits while the last page is read is behind its S, and waits."""
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        cursor = await cursor_of(cleo)
        await ada.send(room, "In the log")
        held = Hold(monkeypatch, stream, "log_about", behind=True)
        phone = await live.call(cleo, room, cursor)
        await held.reached.wait()
        await ada.send(room, "While it is read")
        await has_read(live, ada, process)
        assert phone.payloads == []
        held.let_go()
        await ada.send(room, "Live")
        await phone.has("In the log", "While it is read", "Live")


class TestRemovals:
    async def test_one_between_the_check_and_the_first_event_ends_the_stream(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        held = Hold(monkeypatch, stream, "judge", behind=True)
        calling = asyncio.create_task(live.call(cleo, room))
        await held.reached.wait()
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.send(room, "Among ourselves")
        held.let_go()
        phone = await calling
        await phone.until(lambda phone: phone.ended == "complete")
        assert phone.payloads == []

    @pytest.mark.parametrize("one_snapshot", [True, False])
    async def test_no_text_written_after_it_is_handed_out(
        self,
        live: Switchboard,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        one_snapshot: bool,
    ) -> None:
        """Rights are read, then somebody is removed, then a text is changed, then the data are read. It is seen to go
        wrong where each statement has a snapshot of its own."""
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        message = await ada.send(room, "Warm up")
        await phone.has("Warm up")
        if not one_snapshot:
            begin = Snapshot.__init__

            def each_for_itself(self: Snapshot, process: Process) -> None:
                begin(self, process)
                self._begin = b"BEGIN ISOLATION LEVEL READ COMMITTED"

            monkeypatch.setattr(Snapshot, "__init__", each_for_itself)
        held = Hold(monkeypatch, stream, "messages_of_events")
        message = await ada.send(room, "For all of us")
        await held.reached.wait()
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.done("editMessage", {"messageId": message["id"], "body": "Not for cleo"})
        held.let_go()
        await phone.until(lambda phone: phone.ended == "complete")
        assert phone.texts == ["Warm up", "For all of us" if one_snapshot else "Not for cleo"]

    async def test_a_process_that_is_behind_gives_nothing_to_who_is_gone(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        reading = Hold(monkeypatch, stream, "read_on")
        message = await ada.send(room, "For all of us")
        await reading.reached.wait()
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.done("editMessage", {"messageId": message["id"], "body": "Not for cleo"})
        reading.let_go()
        await phone.until(lambda phone: phone.ended == "complete")
        assert phone.payloads == []

    async def test_who_is_removed_and_added_again_meanwhile_loses_nothing_by_resuming(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        await ada.send(room, "First")
        await phone.has("First")
        reading = Hold(monkeypatch, stream, "read_on")
        await ada.send(room, "Before")
        await reading.reached.wait()
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
        await ada.send(room, "Behind")
        reading.let_go()
        await phone.until(lambda phone: phone.ended == "complete")
        assert phone.texts in (["First"], ["First", "Before"])
        again = await live.call(cleo, room, phone.cursor)
        await again.until(lambda again: bool(again.payloads) and again.texts[-1] == "Behind")
        assert phone.texts + again.texts == ["First", "Before", "Behind"]
        await ada.send(room, "Still there")
        await again.until(lambda again: again.texts[-1] == "Still there")

    async def test_who_is_added_again_between_two_batches_gets_no_hole(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Outside in the snapshot of the first batch, inside again in that of the second, their departure behind it."""
        monkeypatch.setattr("server.hub.watch.BATCH", 1)
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        await ada.send(room, "First")
        await phone.has("First")
        reading = Hold(monkeypatch, stream, "read_on")
        await ada.send(room, "Second")
        await reading.reached.wait()
        await ada.send(room, "Third")
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        delivering = Hold(monkeypatch, stream, "lost_seats", behind=True)
        reading.let_go()
        await delivering.reached.wait()
        await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
        delivering.let_go()
        await phone.until(lambda phone: phone.ended == "complete")
        assert phone.texts == ["First"]
        again = await live.call(cleo, room, phone.cursor)
        await again.has("Second", "Third")

    async def test_a_page_that_is_being_given_has_no_hole(
        self,
        live: Switchboard,
        process: Process,
        ada: Person,
        ben: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The reader, whose snapshot is newer, finds her outside while the page is given."""
        room = await ada.make_room(ben, cleo)
        await live.call(ben, room)
        cursor = await cursor_of(cleo)
        for text in ("One", "Two"):
            await ada.send(room, text)
        await has_read(live, ada, process)
        held = Hold(monkeypatch, stream, "log_about", behind=True)
        phone = await live.call(cleo, room, cursor)
        await held.reached.wait()
        paging = Hold(monkeypatch, stream, "messages_of_events")
        held.let_go()
        await paging.reached.wait()
        await ada.send(room, "Three")
        await has_read(live, ada, process)
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.send(room, "Without her")
        await has_read(live, ada, process)
        await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
        paging.let_go()
        await phone.until(lambda phone: phone.ended == "complete")
        assert phone.texts == ["One", "Two", "Three", "Without her"][: len(phone.texts)]

    async def test_one_that_was_over_before_one_subscribes_is_skipped(
        self, live: Switchboard, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        await ada.send(room, "Before")
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
        await ada.send(room, "Behind")
        phone = await live.call(cleo, room, cursor)
        await ada.send(room, "Live")
        await phone.has("Before", "Behind", "Live")

    async def test_one_between_two_pages_of_the_log_ends_the_stream(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("server.hub.replay.PAGE", 2)
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        for text in ("One", "Two", "Three"):
            await ada.send(room, text)
        held = Hold(monkeypatch, stream, "log_about", behind=True)
        phone = await live.call(cleo, room, cursor)
        await held.reached.wait()
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.send(room, "Among ourselves")
        held.let_go()
        await phone.until(lambda phone: phone.ended == "complete")
        # Who is gone is owed nothing, and gets no part with a hole.
        assert phone.texts in ([], ["One", "Two"])


class TestAReaderThatHasAnOlderSnapshot:
    """What it finds of rights is older than that by which somebody was let in meanwhile."""

    async def test_bars_nobody_who_has_been_added_since(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room()
        other = await live.call(ada, room)
        reading = Hold(monkeypatch, stream, "read_on", behind=True)
        await ada.send(room, "Before")
        await reading.reached.wait()
        await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
        phone = await live.call(cleo, room)
        reading.let_go()
        await other.has("Before")
        await ada.send(room, "Behind")
        await phone.has("Behind")

    async def test_expels_nobody_who_has_signed_in_since(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        other = await live.call(ada, room)
        reading = Hold(monkeypatch, stream, "read_on", behind=True)
        await ada.send(room, "Before")
        await reading.reached.wait()
        signed_in = await operate(process, cleo.workspace_id, lambda transaction: begin(transaction, cleo.user_id))
        cleo.token = signed_in.access_token
        phones = [await live.call(cleo, room), await live.call(cleo, room, cursor)]
        reading.let_go()
        await other.has("Before")
        await ada.send(room, "Behind")
        await phones[0].has("Behind")
        await phones[1].has("Before", "Behind")


class TestSignIns:
    async def test_one_that_ends_while_one_is_judged_is_refused(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        held = Hold(monkeypatch, stream, "judge", behind=True)
        calling = asyncio.create_task(live.call(cleo, room))
        await held.reached.wait()
        await cleo.do("signOut")
        await has_read(live, ada, process)
        held.let_go()
        with pytest.raises(Unauthenticated):
            await calling

    async def test_one_that_ends_between_two_pages_of_the_log_ends_the_stream(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        cursor = await cursor_of(cleo)
        # Something to catch up with, of which nothing is for this phone.
        await ada.make_room()
        held = Hold(monkeypatch, stream, "standing")
        phone = await live.call(cleo, room, cursor)
        await held.reached.wait()
        # Between its judgement and its first page it is on no roster.
        reader(live, cleo)._roster.discard(phone.stream)
        await cleo.do("signOut")
        await has_read(live, ada, process)
        held.let_go()
        await phone.until(lambda phone: phone.ended == "expelled")
        assert phone.payloads == []

    async def test_it_ends_all_streams_of_that_sign_in(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        cursor = await cursor_of(cleo)
        await ada.make_room()
        held = Hold(monkeypatch, stream, "standing")
        phones = await asyncio.gather(*(live.call(cleo, room, cursor) for _ in range(3)))
        await held.reached.wait()
        for phone in phones:
            reader(live, cleo)._roster.discard(phone.stream)
        await cleo.do("signOut")
        await has_read(live, ada, process)
        held.let_go()
        for phone in phones:
            await phone.until(lambda phone: phone.ended == "expelled")


class TestTheReader:
    async def test_the_sweep_finds_what_no_hint_told(
        self, process: Process, live: Switchboard, ada: Person, cleo: Person
    ) -> None:
        """As when a sender is killed between its commit and its publishing, or Valkey is down."""
        object.__setattr__(process, "publish", lambda *_: None)
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        await ada.send(room, "Untold")
        await phone.has("Untold")

    async def test_a_connection_that_breaks_costs_nothing(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        held = Hold(monkeypatch, stream, "rooms_of_events")
        await ada.send(room, "One")
        await held.reached.wait()
        await rows(
            process,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state = 'idle in transaction'",
        )
        held.let_go()
        await ada.send(room, "Two")
        await phone.has("One", "Two")

    async def test_one_that_breaks_in_an_execution_is_no_error_of_the_client(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from resolvers import user

        room = await ada.make_room(cleo)
        query = "subscription ($room: ID!) { messageAdded(roomId: $room) { message { body author { name } } } }"
        phone = await live.call(cleo, room, query=query)
        held = Hold(monkeypatch, user, "authors")
        await ada.send(room, "One")
        await held.reached.wait()
        await rows(
            process,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state = 'idle in transaction'",
        )
        held.let_go()
        await phone.has("One")

    async def test_another_history_ends_the_streams(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        """As a failover that loses the last events, and then writes on past the old positions."""
        room = await ada.make_room(cleo)
        kept = await cursor_of(cleo)
        phone = await live.call(cleo, room)
        await ada.send(room, "Lost by the failover")
        await phone.has("Lost by the failover")
        await rows(
            process,
            "DELETE FROM event WHERE workspace_id = %s AND position = "
            "(SELECT max(position) FROM event WHERE workspace_id = %s) RETURNING 1",
            ada.workspace_id,
            ada.workspace_id,
        )
        for text in ("Written on", "And on"):
            await ada.send(room, text)
        await phone.until(lambda phone: phone.ended == "error")
        assert phone.codes == ["CURSOR_EXPIRED"]
        assert await live.refused(cleo, room, phone.cursor) == ["CURSOR_EXPIRED"]
        again = await live.call(cleo, room, kept)
        await again.has("Written on", "And on")

    async def test_a_quiet_one_is_found_by_the_sweep(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        await rows(process, "UPDATE event SET stamp = stamp + 1 WHERE workspace_id = %s RETURNING 1", ada.workspace_id)
        await phone.until(lambda phone: phone.ended == "error")
        assert phone.codes == ["CURSOR_EXPIRED"]

    async def test_an_event_that_cannot_be_shown_holds_up_nobody(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, caplog: pytest.LogCaptureFixture
    ) -> None:
        room, other = await ada.make_room(cleo), await ada.make_room(cleo)
        phones = [await live.call(cleo, room), await live.call(cleo, other)]

        async def record(transaction: Transaction) -> None:
            transaction.record(EventKind.MESSAGE_ADDED, room_id=key_of(NodeKind.ROOM, room), sequence=99)

        await operate(process, ada.workspace_id, record)
        await ada.send(other, "Elsewhere")
        await ada.send(room, "Behind")
        await phones[1].has("Elsewhere")
        await phones[0].until(lambda phone: len(phone.payloads) == 2)
        told, behind = map(json.loads, phones[0].payloads)
        assert told["data"] is None
        assert told["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert behind["data"]["messageAdded"]["message"]["body"] == "Behind"
        assert len([each for each in caplog.records if each.levelname == "ERROR"]) == 1

    async def test_who_leaves_while_waiting_for_a_replay_is_forgotten(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        await ada.send(room, "Missed")
        held = Hold(monkeypatch, stream, "log_about")
        first = await live.call(cleo, room, cursor)
        await held.reached.wait()
        # One user's pages are read one at a time.
        second = await live.call(cleo, room, cursor)
        second.stream.close()
        held.let_go()
        await first.has("Missed")
        async with asyncio.timeout(20):
            while reader(live, cleo)._replay.busy:
                await asyncio.sleep(0.005)
        assert list(reader(live, cleo)._roster) == [first.stream]

    async def test_a_quiet_room_is_resumed_over_a_long_line(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("server.hub.replay.SPAN", 3)
        quiet, busy = await ada.make_room(cleo), await ada.make_room()
        cursor = await cursor_of(cleo)
        await ada.send(quiet, "Long ago")
        for _ in range(10):
            await ada.send(busy)
        await ada.send(quiet, "Just now")
        for _ in range(5):
            await ada.send(busy)
        phone = await live.call(cleo, quiet, cursor)
        await phone.has("Long ago", "Just now")
        await ada.send(quiet, "Live")
        await phone.has("Long ago", "Just now", "Live")

    async def test_a_database_that_cannot_be_asked_is_to_be_tried_again(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        monkeypatch.setattr("server.hub.watch._PATIENCE", 0.2)

        async def gone(*_: Any) -> Any:
            raise psycopg.OperationalError("the server closed the connection")

        monkeypatch.setattr(stream, "judge", gone)
        with pytest.raises(Unavailable):
            await live.call(cleo, room)

    async def test_a_phone_that_replays_slowly_never_meets_a_hole(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        """What it has not read yet is deleted from the line meanwhile."""
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        for text in ("One", "Two"):
            await ada.send(room, text)
        slow = Phone()
        slow.full = True
        await live.call(cleo, room, cursor, phone=slow)
        async with asyncio.timeout(20):
            while not slow.stream.paused:
                await asyncio.sleep(0.005)
        await rows(
            process,
            "DELETE FROM event WHERE workspace_id = %s AND position < (SELECT max(position) FROM event "
            "WHERE workspace_id = %s) RETURNING 1",
            ada.workspace_id,
            ada.workspace_id,
        )
        slow.take_everything()
        await slow.until(lambda phone: phone.ended == "error")
        assert (slow.codes, slow.payloads) == (["CURSOR_EXPIRED"], [])
