"""A sign-in ends while something else is held at its critical point."""

import asyncio

import pytest

from resolvers import stream
from resolvers.errors import Unauthenticated
from resolvers.process import Process
from tests.cast import Person
from tests.live.hold import Hold, cursor_of, has_read, reader
from tests.live.phone import Switchboard


async def test_one_that_ends_while_one_is_judged_is_refused(
    live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
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
    live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
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
    live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
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
