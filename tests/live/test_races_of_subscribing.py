"""Subscribing has no gap: each moment at which there could be one is held open."""

import asyncio
from typing import Any

import pytest

from models import event as events
from resolvers import stream
from resolvers.process import Process
from tests.cast import Person, sign_in_of
from tests.live.hold import Hold, cursor_of, has_read
from tests.live.phone import Switchboard


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
        signed_in = await sign_in_of(process, cleo.workspace_id, cleo.user_id)
        cleo.token = signed_in.access_token
        phones = [await live.call(cleo, room), await live.call(cleo, room, cursor)]
        reading.let_go()
        await other.has("Before")
        await ada.send(room, "Behind")
        await phones[0].has("Behind")
        await phones[1].has("Before", "Behind")
