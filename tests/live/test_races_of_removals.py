"""Somebody is removed, and perhaps added again, while something else is held at its critical point."""

import asyncio

import pytest

from resolvers import participant, stream
from resolvers.process import Process
from resolvers.snapshot import Snapshot
from schema.node_id import NodeKind, key_of
from tests.cast import Person
from tests.live.hold import Hold, cursor_of, has_read
from tests.live.phone import Switchboard
from tests.live.streams import STREAMS, follows
from tests.live.test_events import Listener
from tests.races import held as transaction_held
from tests.races import viewer_of


async def is_told_that_she_left(phone: Listener, name: str, ada: Person, other: str, *before: str) -> None:
    """That, behind these texts, and nothing else of that room; then only `viewerEvents` goes on."""
    left = [] if name == "messageAdded" else ["RoomLeft"]
    texts = list(before)
    if name == "viewerEvents":
        await ada.send(other, "Elsewhere")
        texts.append("Elsewhere")
        await phone.until(lambda phone: b"Elsewhere" in b"".join(phone.payloads))
    else:
        await phone.until(lambda phone: phone.ended == "complete")
    assert [event["message"]["body"] for event in phone.events if "message" in event] == texts
    assert [each for each in phone.names if each != "MessageAdded"] == left
    assert phone.ended == (None if name == "viewerEvents" else "complete")


@follows
@pytest.mark.parametrize("read", [True, False])
async def test_one_between_the_check_and_the_registration_is_told_and_nothing_later(
    live: Switchboard,
    process: Process,
    ada: Person,
    cleo: Person,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    read: bool,
) -> None:
    """Whether the reader has come to it before she is let in, or comes to it then."""
    room, other = await ada.make_room(cleo), await ada.make_room(cleo)
    await live.call(ada, room)
    phone = Listener()
    held = Hold(monkeypatch, stream, "judge", behind=True)
    calling = asyncio.create_task(live.call(cleo, room, None, STREAMS[name], phone=phone))
    await held.reached.wait()
    reading = Hold(monkeypatch, stream, "read_on")
    await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
    await ada.send(room, "Among ourselves")
    if read:
        reading.let_go()
        await has_read(live, ada, process)
    held.let_go()
    await calling
    reading.let_go()
    await is_told_that_she_left(phone, name, ada, other)


@follows
@pytest.mark.parametrize("resumes", [True, False])
async def test_one_that_has_no_commit_yet_is_told_to_who_subscribes_meanwhile(
    live: Switchboard, process: Process, ada: Person, cleo: Person, name: str, resumes: bool
) -> None:
    """It has done everything but commit: whoever looks now finds her inside."""
    room, other = await ada.make_room(cleo), await ada.make_room(cleo)
    cursor = await cursor_of(cleo) if resumes else None
    await ada.send(room, "For all of us")
    viewer, room_id = await viewer_of(process, ada), key_of(NodeKind.ROOM, room)
    phone = Listener()
    async with transaction_held(
        process, ada.workspace_id, lambda each: participant.remove_participant(each, viewer, room_id, cleo.user_id)
    ) as removal:
        await live.call(cleo, room, cursor, STREAMS[name], phone=phone)
        if resumes:
            await phone.until(lambda phone: bool(phone.payloads))
        await removal.commit()
    await ada.send(room, "Among ourselves")
    await is_told_that_she_left(phone, name, ada, other, *(["For all of us"] if resumes else []))


@follows
@pytest.mark.parametrize("way", ["live", "from the log"])
async def test_a_text_edited_behind_it_is_in_no_stream(
    live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    """The rights have been read and the texts have not, when she is removed and the text is edited."""
    room, other = await ada.make_room(cleo), await ada.make_room(cleo)
    phone, cursor = Listener(), await cursor_of(cleo)
    if way == "live":
        await live.call(cleo, room, None, STREAMS[name], phone=phone)
    held = Hold(monkeypatch, stream, "messages_of_events")
    message = await ada.send(room, "For all of us")
    if way != "live":
        await live.call(cleo, room, cursor, STREAMS[name], phone=phone)
    await held.reached.wait()
    await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
    await ada.done("editMessage", {"messageId": message["id"], "body": "Not for cleo"})
    held.let_go()
    await is_told_that_she_left(phone, name, ada, other, "For all of us")


@follows
async def test_a_text_edited_behind_it_is_in_no_stream_of_a_process_that_is_behind(
    live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It comes to all of it at once, when both have long been committed."""
    room, other = await ada.make_room(cleo), await ada.make_room(cleo)
    phone = Listener()
    await live.call(cleo, room, None, STREAMS[name], phone=phone)
    reading = Hold(monkeypatch, stream, "read_on")
    message = await ada.send(room, "For all of us")
    await reading.reached.wait()
    await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
    await ada.done("editMessage", {"messageId": message["id"], "body": "Not for cleo"})
    reading.let_go()
    await is_told_that_she_left(phone, name, ada, other)


@pytest.mark.parametrize("one_snapshot", [True, False])
async def test_no_text_written_after_it_is_handed_out(
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


async def test_who_is_removed_and_added_again_meanwhile_loses_nothing_by_resuming(
    live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
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
    live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
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


async def test_one_that_was_over_before_one_subscribes_is_skipped(live: Switchboard, ada: Person, cleo: Person) -> None:
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
    live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
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
