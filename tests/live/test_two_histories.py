"""A failover that loses the last events: other events stand in their places. Whoever was given one that is lost learns
so, also ahead of the reader, which has not read it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from resolvers import stream
from resolvers.process import Process
from tests.cast import Person
from tests.live.hold import Hold, cursor_of, has_read, reader
from tests.live.phone import Switchboard
from tests.races import rows


async def lose(process: Process, person: Person, count: int = 1) -> None:
    """The last events of the line, and their messages, were never written."""
    lost = await rows(
        process,
        "DELETE FROM event WHERE workspace_id = %s AND position > "
        "(SELECT max(position) FROM event WHERE workspace_id = %s) - %s RETURNING room_id, sequence",
        person.workspace_id,
        person.workspace_id,
        count,
    )
    for room_id, sequence in lost:
        await rows(process, "DELETE FROM message WHERE room_id = %s AND sequence = %s RETURNING 1", room_id, sequence)


class Ahead:
    """A reader that is held, and phones that are live from events on that it has not come to: each is behind another
    one of them."""

    def __init__(self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        self._live, self._ada, self._cleo = live, ada, cleo
        self._monkeypatch = monkeypatch

    async def begin(self) -> None:
        self.room = await self._ada.make_room(self._cleo)
        self.slow = await self._live.call(self._cleo, self.room)
        self.cursor = await cursor_of(self._cleo)
        self.reading = Hold(self._monkeypatch, stream, "read_on")

    async def call(self, resumed: bool) -> Any:
        phone = await self._live.call(self._cleo, self.room, self.cursor if resumed else None)
        async with asyncio.timeout(20):
            while not phone.stream.live:  # type: ignore[union-attr]
                await asyncio.sleep(0.005)
        return phone


@pytest.fixture
async def ahead(live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ahead]:
    ahead = Ahead(live, ada, cleo, monkeypatch)
    await ahead.begin()
    yield ahead
    ahead.reading.let_go()


@pytest.mark.parametrize("resumed", [False, True], ids=["fresh", "resumed"])
@pytest.mark.parametrize("later", [0, 2])
async def test_whose_event_was_lost_learns_it_and_whose_event_stands_goes_on(
    live: Switchboard, process: Process, ada: Person, ahead: Ahead, resumed: bool, later: int
) -> None:
    """Whatever the reader finds at once: the other event alone, or more behind it."""
    await ada.send(ahead.room, "Stands")
    await ahead.reading.reached.wait()
    standing = await ahead.call(resumed)
    await ada.send(ahead.room, "Lost")
    falling = await ahead.call(resumed)
    given = falling.texts
    await lose(process, ada)
    texts = ["In its place", *(f"Behind it {number}" for number in range(later))]
    for text in texts:
        await ada.send(ahead.room, text)
    ahead.reading.let_go()
    await falling.until(lambda phone: phone.ended is not None)
    assert (falling.ended, falling.codes, falling.texts) == ("error", ["CURSOR_EXPIRED"], given)
    assert given == (["Stands", "Lost"] if resumed else [])
    await standing.has(*(["Stands"] if resumed else []), *texts)
    await ahead.slow.has("Stands", *texts)
    assert (standing.ended, ahead.slow.ended) == (None, None)
    # It has told what it knew of them.
    assert reader(live, ada)._ahead == set()


async def test_it_is_learnt_when_the_reader_comes_there_and_not_before(
    live: Switchboard, process: Process, ada: Person, ahead: Ahead
) -> None:
    """The new history is shorter than the old one at first."""
    await ada.send(ahead.room, "Stands")
    await ahead.reading.reached.wait()
    for text in ("Lost", "Lost, too"):
        await ada.send(ahead.room, text)
    falling = await ahead.call(resumed=False)
    await lose(process, ada, 2)
    await ada.send(ahead.room, "In the place of the first")
    ahead.reading.let_go()
    await has_read(live, ada, process)
    await ahead.slow.has("Stands", "In the place of the first")
    assert falling.ended is None
    await ada.send(ahead.room, "In the place of the second")
    await falling.until(lambda phone: phone.ended is not None)
    assert (falling.codes, falling.payloads) == (["CURSOR_EXPIRED"], [])
    await ahead.slow.has("Stands", "In the place of the first", "In the place of the second")


async def test_where_nothing_was_lost_everybody_goes_on(
    live: Switchboard, process: Process, ada: Person, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch may end right before the event that somebody stands behind, at it, and behind it."""
    monkeypatch.setattr("server.hub.watch.BATCH", 2)
    texts = [f"Number {number}" for number in range(5)]
    phones = []
    for text in texts:
        await ada.send(ahead.room, text)
        phones.append(await ahead.call(resumed=False))
    ahead.reading.let_go()
    await ada.send(ahead.room, "Live")
    await ahead.slow.has(*texts, "Live")
    for number, phone in enumerate(phones, 1):
        await phone.has(*texts[number:], "Live")
        assert phone.ended is None


async def test_where_the_reader_is_lost_too_everybody_learns_it(
    live: Switchboard, process: Process, ada: Person, ahead: Ahead
) -> None:
    await ada.send(ahead.room, "Lost")
    await ahead.reading.reached.wait()
    falling = await ahead.call(resumed=False)
    await lose(process, ada, 2)
    for text in ("Another", "And another", "And one more"):
        await ada.send(ahead.room, text)
    ahead.reading.let_go()
    for phone in (falling, ahead.slow):
        await phone.until(lambda phone: phone.ended is not None)
        assert (phone.codes, phone.payloads) == (["CURSOR_EXPIRED"], [])
