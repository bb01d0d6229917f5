"""A sign-in ends while something else is held at its critical point."""

import asyncio

import pytest

from resolvers import stream
from resolvers.errors import Unauthenticated
from resolvers.process import Process
from resolvers.session import sign_out
from tests.cast import Person
from tests.live.endings import Ending, ends
from tests.live.hold import Hold, cursor_of, has_read, reader
from tests.live.phone import Switchboard
from tests.live.streams import STREAMS, follows
from tests.live.test_events import Listener
from tests.races import held as transaction_held
from tests.races import viewer_of


@ends
@follows
async def test_one_that_ends_while_one_is_judged_is_refused(
    live: Switchboard,
    process: Process,
    ada: Person,
    cleo: Person,
    monkeypatch: pytest.MonkeyPatch,
    end: Ending,
    name: str,
) -> None:
    room = await ada.make_room(cleo)
    await live.call(ada, room)
    held = Hold(monkeypatch, stream, "judge", behind=True)
    calling = asyncio.create_task(live.call(cleo, room, None, STREAMS[name]))
    await held.reached.wait()
    await end(process, cleo)
    await has_read(live, ada, process)
    held.let_go()
    with pytest.raises(Unauthenticated):
        await calling


@ends
@follows
async def test_one_that_ends_while_one_is_judged_and_is_read_of_later_ends_the_stream(
    live: Switchboard,
    process: Process,
    ada: Person,
    cleo: Person,
    monkeypatch: pytest.MonkeyPatch,
    end: Ending,
    name: str,
) -> None:
    room = await ada.make_room(cleo)
    await live.call(ada, room)
    held = Hold(monkeypatch, stream, "judge", behind=True)
    calling = asyncio.create_task(live.call(cleo, room, None, STREAMS[name]))
    await held.reached.wait()
    reading = Hold(monkeypatch, stream, "read_on")
    await end(process, cleo)
    await ada.send(room, "Behind it")
    held.let_go()
    phone = await calling
    reading.let_go()
    await phone.until(lambda phone: phone.ended == "expelled")
    assert phone.payloads == []


@follows
@pytest.mark.parametrize("resumes", [True, False])
async def test_a_sign_out_that_has_no_commit_yet_ends_a_stream_that_begins_meanwhile(
    live: Switchboard, process: Process, ada: Person, cleo: Person, name: str, resumes: bool
) -> None:
    """It has done everything but commit: whoever looks now finds the sign-in alive."""
    room = await ada.make_room(cleo)
    cursor = await cursor_of(cleo) if resumes else None
    await ada.send(room, "Before")
    viewer = await viewer_of(process, cleo)
    async with transaction_held(process, cleo.workspace_id, lambda each: sign_out(each, viewer)) as leaving:
        phone = await live.call(cleo, room, cursor, STREAMS[name], phone=Listener())
        if resumes:
            await phone.until(lambda phone: bool(phone.payloads))
        await leaving.commit()
    await ada.send(room, "Behind it")
    await phone.until(lambda phone: phone.ended == "expelled")
    assert len(phone.payloads) == (1 if resumes else 0)


@ends
@follows
async def test_a_page_of_the_log_is_nothing_to_who_has_left_before_it(
    live: Switchboard,
    process: Process,
    ada: Person,
    cleo: Person,
    monkeypatch: pytest.MonkeyPatch,
    end: Ending,
    name: str,
) -> None:
    """The first one had been given when it ended; the rest is read behind it."""
    monkeypatch.setattr("server.hub.replay.PAGE", 2)
    room = await ada.make_room(cleo)
    cursor = await cursor_of(cleo)
    for text in ("One", "Two", "Three", "Four"):
        await ada.send(room, text)
    first = Hold(monkeypatch, stream, "log_about")
    phone = await live.call(cleo, room, cursor, STREAMS[name], phone=Listener())
    await first.reached.wait()
    # Not before: the hold is on the second page's first question.
    second = Hold(monkeypatch, stream, "standing")
    first.let_go()
    await second.reached.wait()
    given = len(phone.payloads)
    reader(live, cleo)._roster.discard(phone.stream)
    await end(process, cleo)
    second.let_go()
    await phone.until(lambda phone: phone.ended == "expelled")
    assert (given, len(phone.payloads)) == (2, 2)


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
