"""Whoever was away for long keeps nobody waiting who was away for a moment."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from models.event import Position
from resolvers import stream
from resolvers.event import newest
from resolvers.process import Process
from tests.cast import Person
from tests.live.hold import Hold, cursor_of, reader
from tests.live.phone import Phone, Switchboard
from tests.races import rows


async def pass_by(process: Process, person: Person, count: int) -> None:
    """So much happens in the workspace that is in no room."""
    await rows(
        process,
        """
        INSERT INTO event (workspace_id, position, stamp, kind, user_id)
        SELECT %s, (SELECT max(position) FROM event WHERE workspace_id = %s) + n, n, 'USER_UPDATED', %s
        FROM generate_series(1, %s) AS n RETURNING 1
        """,
        person.workspace_id,
        person.workspace_id,
        person.user_id,
        count,
    )


class Pages:
    """Those of the log that begin at or before a position are held; where the others begin is written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held_to = 0
        self.others: list[int] = []
        self.reached, self._go_on = asyncio.Event(), asyncio.Event()
        page = stream.log_about

        async def held(connection: Any, workspace_id: Any, start: Position, *arguments: Any, **more: Any) -> Any:
            if start.position <= self.held_to:
                self.reached.set()
                await self._go_on.wait()
            else:
                self.others.append(start.position)
            return await page(connection, workspace_id, start, *arguments, **more)

        monkeypatch.setattr(stream, "log_about", held)

    async def hold(self, process: Process, person: Person) -> None:
        """Those that begin before now."""
        async with process.pool.connection() as connection:
            self.held_to = (await newest(connection, person.workspace_id)).position

    def let_go(self) -> None:
        self._go_on.set()


@pytest.fixture
def pages(live: Switchboard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    pages = Pages(monkeypatch)
    yield pages
    pages.let_go()


async def come_together(
    live: Switchboard, room: str, coming: list[tuple[Person, str]], monkeypatch: pytest.MonkeyPatch
) -> list[Phone]:
    """All of them are judged at once, as after a restart."""
    held = Hold(monkeypatch, stream, "judge")
    first = asyncio.create_task(live.call(coming[0][0], room))
    await held.reached.wait()
    calling = [asyncio.create_task(live.call(person, room, cursor)) for person, cursor in coming]
    async with asyncio.timeout(20):
        while len(reader(live, coming[0][0])._arrivals) < len(coming):
            await asyncio.sleep(0.005)
    held.let_go()
    await first
    return await asyncio.gather(*calling)


@pytest.mark.parametrize("away", [1_000, 20_000])
async def test_who_was_away_for_a_moment_waits_for_nobody_who_was_away_for_long(
    live: Switchboard,
    process: Process,
    ada: Person,
    ben: Person,
    cleo: Person,
    dan: Person,
    pages: Pages,
    monkeypatch: pytest.MonkeyPatch,
    away: int,
) -> None:
    room = await ada.make_room(ben, cleo, dan)
    long_ago = await cursor_of(cleo)
    await pages.hold(process, ada)
    await ada.send(room, "Long ago")
    await pass_by(process, ada, away)
    just_now = await cursor_of(ben)
    await ada.send(room, "Just now")
    coming = [(cleo, long_ago), (ben, just_now), (dan, long_ago), (ada, just_now)]
    phones = await come_together(live, room, coming, monkeypatch)
    far, near = phones[::2], phones[1::2]
    await pages.reached.wait()
    await ada.send(room, "Live")
    for phone in near:
        await phone.has("Just now", "Live")
    assert [phone.payloads for phone in far] == [[], []]
    pages.let_go()
    for phone in far:
        await phone.has("Long ago", "Just now", "Live")


async def test_all_who_were_away_for_a_moment_are_brought_by_one_page(
    live: Switchboard,
    process: Process,
    ada: Person,
    ben: Person,
    cleo: Person,
    dan: Person,
    pages: Pages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether it was a short one or a longer one, and whoever else comes with them."""
    room = await ada.make_room(ben, cleo, dan)
    long_ago = await cursor_of(dan)
    await pages.hold(process, ada)
    await pass_by(process, ada, 2_000)
    cursors = []
    for count, text in ((500, "One"), (90, "Two"), (5, "Three")):
        cursors.append(await cursor_of(ada))
        await ada.send(room, text)
        await pass_by(process, ada, count)
    coming = [*zip((ada, ben, cleo), cursors, strict=True), (dan, long_ago)]
    *near, far = await come_together(live, room, coming, monkeypatch)
    await pages.reached.wait()
    for number, phone in enumerate(near):
        await phone.has(*("One", "Two", "Three")[number:])
    assert len(pages.others) == 1
    pages.let_go()
    await far.has("One", "Two", "Three")
