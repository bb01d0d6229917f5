"""What happens to the reader of a workspace, and to who waits for it, in the middle of its work."""

import asyncio
import json
from typing import Any

import psycopg
import pytest

from models.event import EventKind
from resolvers import stream
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from schema.node_id import NodeKind, key_of
from server.graphql.streams import Unavailable
from tests.cast import Person
from tests.live.hold import Hold, cursor_of, reader
from tests.live.phone import Phone, Switchboard
from tests.races import rows


async def break_what_is_in_a_transaction(process: Process) -> None:
    await rows(
        process,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND state = 'idle in transaction'",
    )


async def test_the_sweep_finds_what_no_hint_told(
    process: Process, live: Switchboard, ada: Person, cleo: Person
) -> None:
    """As when a sender is killed between its commit and its publishing, or Valkey is down."""
    object.__setattr__(process, "publish", lambda *_: None)
    room = await ada.make_room(cleo)
    phone = await live.call(cleo, room)
    await ada.send(room, "Untold")
    await phone.has("Untold")


async def test_a_connection_that_breaks_costs_nothing(
    live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await ada.make_room(cleo)
    phone = await live.call(cleo, room)
    held = Hold(monkeypatch, stream, "rooms_of_events")
    await ada.send(room, "One")
    await held.reached.wait()
    await break_what_is_in_a_transaction(process)
    held.let_go()
    await ada.send(room, "Two")
    await phone.has("One", "Two")


async def test_one_that_breaks_in_an_execution_is_no_error_of_the_client(
    live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resolvers import user

    room = await ada.make_room(cleo)
    query = "subscription ($room: ID!) { messageAdded(roomId: $room) { message { body author { name } } } }"
    phone = await live.call(cleo, room, query=query)
    held = Hold(monkeypatch, user, "authors")
    await ada.send(room, "One")
    await held.reached.wait()
    await break_what_is_in_a_transaction(process)
    held.let_go()
    await phone.has("One")


async def test_another_history_ends_the_streams(live: Switchboard, process: Process, ada: Person, cleo: Person) -> None:
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
    live: Switchboard, process: Process, ada: Person, cleo: Person
) -> None:
    room = await ada.make_room(cleo)
    phone = await live.call(cleo, room)
    await rows(process, "UPDATE event SET stamp = stamp + 1 WHERE workspace_id = %s RETURNING 1", ada.workspace_id)
    await phone.until(lambda phone: phone.ended == "error")
    assert phone.codes == ["CURSOR_EXPIRED"]


async def test_an_event_that_cannot_be_shown_holds_up_nobody(
    live: Switchboard, process: Process, ada: Person, cleo: Person, caplog: pytest.LogCaptureFixture
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
    live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
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
    live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
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
    live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await ada.make_room(cleo)
    monkeypatch.setattr("server.hub.watch._PATIENCE", 0.2)

    async def gone(*_: Any) -> Any:
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(stream, "judge", gone)
    with pytest.raises(Unavailable):
        await live.call(cleo, room)


async def test_a_phone_that_replays_slowly_never_meets_a_hole(
    live: Switchboard, process: Process, ada: Person, cleo: Person
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
