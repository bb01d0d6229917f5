"""How long a stream can be resumed."""

from typing import Any

import pytest

from resolvers import event, stream
from resolvers.process import Process
from tests.cast import Person
from tests.live.hold import cursor_of
from tests.live.phone import Switchboard
from tests.races import rows


async def age(process: Process, person: Person, days: int, *, but: int = 0) -> None:
    """Let all events of a workspace be so old, but for the newest few."""
    await rows(
        process,
        "UPDATE event SET occurred_at = clock_timestamp() - make_interval(days => %s) WHERE workspace_id = %s "
        "AND position <= (SELECT max(position) FROM event WHERE workspace_id = %s) - %s RETURNING 1",
        days,
        person.workspace_id,
        person.workspace_id,
        but,
    )


async def line(process: Process, person: Person) -> list[int]:
    found = await rows(
        process, "SELECT position FROM event WHERE workspace_id = %s ORDER BY position", person.workspace_id
    )
    return [position for (position,) in found]


async def test_what_is_past_it_goes_and_its_newest_stays(
    process: Process, live: Switchboard, ada: Person, zoe: Person
) -> None:
    room = await ada.make_room()
    expired = await cursor_of(ada)
    await ada.send(room, "Long ago")
    last_of_old = await cursor_of(ada)
    await ada.send(room, "Number 1")
    await ada.send(room, "Number 2")
    await age(process, ada, 31, but=2)
    whole, others = await line(process, ada), await line(process, zoe)
    assert await event.sweep(process) == len(whole) - 3
    assert await line(process, ada) == whole[-3:]
    assert await line(process, zoe) == others
    assert await event.sweep(process) == 0
    assert await live.refused(ada, room, expired) == ["CURSOR_EXPIRED"]
    await (await live.call(ada, room, last_of_old)).has("Number 1", "Number 2")


async def test_a_workspace_that_was_quiet_for_longer_hands_out_a_good_cursor(
    process: Process, live: Switchboard, ada: Person
) -> None:
    room = await ada.make_room()
    before = await cursor_of(ada)
    phone = await live.call(ada, room)
    await age(process, ada, 31)
    await event.sweep(process)
    assert len(await line(process, ada)) == 1
    after = await cursor_of(ada)
    await ada.send(room, "Back again")
    await phone.has("Back again")
    for cursor in (before, after):
        await (await live.call(ada, room, cursor)).has("Back again")


async def test_clocks_that_were_set_back_tear_no_hole(process: Process, ada: Person) -> None:
    room = await ada.make_room()
    for _ in range(3):
        await ada.send(room)
    await age(process, ada, 31, but=1)
    whole = await line(process, ada)
    await rows(
        process,
        "UPDATE event SET occurred_at = clock_timestamp() WHERE workspace_id = %s AND position = %s RETURNING 1",
        ada.workspace_id,
        whole[2],
    )
    await event.sweep(process)
    assert await line(process, ada) == whole[1:]


async def test_a_long_line_goes_in_parts(process: Process, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event, "SWEEP_LIMIT", 3)
    room = await ada.make_room()
    for _ in range(10):
        await ada.send(room)
    await age(process, ada, 31, but=1)
    await event.sweep(process)
    assert len(await line(process, ada)) == 2


async def test_whoever_is_brought_slowly_meanwhile_meets_an_end_and_no_hole(
    process: Process, live: Switchboard, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.hub.replay.PAGE", 2)
    room = await ada.make_room()
    cursor = await cursor_of(ada)
    for number in range(6):
        await ada.send(room, f"Number {number}")
    turns: list[Any] = []
    log_about = stream.log_about

    async def counted(*arguments: Any, **more: Any) -> Any:
        turns.append(None)
        if len(turns) == 2:
            await age(process, ada, 31, but=1)
            await event.sweep(process)
        return await log_about(*arguments, **more)

    monkeypatch.setattr(stream, "log_about", counted)
    phone = await live.call(ada, room, cursor)
    await phone.until(lambda phone: phone.ended is not None)
    # The page that was being read has its snapshot; the next one finds its place gone.
    assert phone.texts == [f"Number {number}" for number in range(4)]
    assert phone.codes == ["CURSOR_EXPIRED"]
    assert phone.ended == "error"
