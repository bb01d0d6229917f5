"""messageAdded: from history to live without a gap, resumed exactly, and ended when it must."""

import asyncio

import pytest

from resolvers.errors import Unauthenticated
from resolvers.process import Process
from resolvers.sealing import Sealer
from schema.node_id import NodeKind, node_id
from server.graphql.streams import Rejected
from tests.cast import Person, sign_in_of
from tests.live.phone import Phone, Switchboard
from tests.races import rows


async def test_a_message_arrives_for_everyone_in_the_room(
    live: Switchboard, ada: Person, ben: Person, cleo: Person
) -> None:
    room = await ada.make_room(ben, cleo)
    phones = [await live.call(person, room) for person in (ada, ben, cleo)]
    await ada.send(room, "Good morning")
    await cleo.send(room, "And to you")
    for phone in phones:
        await phone.has("Good morning", "And to you")


async def test_another_room_is_not_heard(live: Switchboard, ada: Person, cleo: Person) -> None:
    room, other = await ada.make_room(cleo), await ada.make_room(cleo)
    phone = await live.call(cleo, room)
    await ada.send(other, "Elsewhere")
    await ada.send(room, "Here")
    await phone.has("Here")


async def test_it_continues_behind_the_history_that_a_query_gave(live: Switchboard, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    await ada.send(room, "Read already")
    found = await cleo.ask("query ($id: ID!) { room(id: $id) { eventCursor messages { nodes { body } } } }", id=room)
    await ada.send(room, "Sent in between")
    phone = await live.call(cleo, room, found["room"]["eventCursor"])
    await ada.send(room, "Sent behind")
    await phone.has("Sent in between", "Sent behind")


async def test_it_resumes_behind_the_last_event_that_was_seen(live: Switchboard, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    phone = await live.call(cleo, room)
    await ada.send(room, "Before the tunnel")
    await phone.has("Before the tunnel")
    phone.stream.close()
    for number in range(3):
        await ada.send(room, f"In the tunnel {number}")
    again = await live.call(cleo, room, phone.cursor)
    await ada.send(room, "Behind the tunnel")
    await again.has(*(f"In the tunnel {number}" for number in range(3)), "Behind the tunnel")
    assert phone.texts == ["Before the tunnel"]


async def test_a_cursor_of_another_room_or_stream_is_as_good(live: Switchboard, ada: Person, cleo: Person) -> None:
    room, other = await ada.make_room(cleo), await ada.make_room(cleo)
    phone = await live.call(cleo, other)
    await ada.send(other, "Elsewhere")
    await ada.send(room, "Missed")
    await phone.has("Elsewhere")
    again = await live.call(cleo, room, phone.cursor)
    await again.has("Missed")


async def test_many_pages_of_the_log_come_once_and_in_order(
    live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.hub.replay.PAGE", 3)
    monkeypatch.setattr("server.hub.watch.BATCH", 3)
    room = await ada.make_room(cleo)
    first = await live.call(cleo, room)
    texts = [f"Number {number}" for number in range(20)]
    await ada.send(room, texts[0])
    await first.has(texts[0])
    cursor = first.cursor
    for text in texts[1:10]:
        await ada.send(room, text)
    again, sending = await asyncio.gather(live.call(cleo, room, cursor), ada.send(room, texts[10]))
    for text in texts[11:]:
        await ada.send(room, text)
    await again.has(*texts[1:])
    await first.has(*texts)
    assert sending["sequence"] == 11


async def test_a_message_tells_its_state_at_delivery(live: Switchboard, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    cursor = (await cleo.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
    deleted = await ada.send(room, "Regretted")
    edited = await ada.send(room, "Misspelt")
    await ada.done("deleteMessage", {"messageId": deleted["id"]})
    await ada.done("editMessage", {"messageId": edited["id"], "body": "Spelt"})
    phone = await live.call(cleo, room, cursor)
    await phone.until(lambda phone: len(phone.payloads) == 2)
    assert phone.texts == [None, "Spelt"]
    assert b"Regretted" not in b"".join(phone.payloads)


class TestWhoMaySubscribe:
    async def test_a_room_that_is_not_theirs_is_like_none(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person, dan: Person, zoe: Person
    ) -> None:
        room = await ada.make_room(cleo)
        nowhere = node_id(NodeKind.ROOM, ada.user_id)
        answers = []
        for person in (ben, dan, zoe):
            for given in (room, nowhere, "rubbish", "", ada.id):
                prepared = await _refusal(live, person, given)
                answers.append(prepared)
        assert all(answer == answers[0] for answer in answers)
        assert answers[0][0]["extensions"] == {"code": "NOT_FOUND"}
        assert answers[0][0]["path"] == ["messageAdded"]
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        assert await _refusal(live, cleo, room) == answers[0]

    async def test_nobody_must_sign_in(self, live: Switchboard, ada: Person, nobody: Person) -> None:
        room = await ada.make_room()
        assert await live.refused(nobody, room) == ["UNAUTHENTICATED"]

    async def test_a_sign_in_that_has_ended_is_told_apart(self, live: Switchboard, ada: Person) -> None:
        room = await ada.make_room()
        await ada.do("signOut")
        with pytest.raises(Unauthenticated):
            await live.call(ada, room)


async def _refusal(live: Switchboard, person: Person, room: str) -> list[dict[str, object]]:
    with pytest.raises(Rejected) as refused:
        await live.call(person, room)
    return refused.value.errors


class TestCursors:
    async def test_rubbish_and_foreign_ones_are_bad_input(
        self, live: Switchboard, process: Process, ada: Person, zoe: Person
    ) -> None:
        room = await ada.make_room()
        foreign = (await zoe.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        good = (await ada.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        forged = Sealer([b"another secret"]).seal(ada.workspace_id, process.cursors.open(ada.workspace_id, good))
        for cursor in ("", "rubbish", "é" * 100, "A" * 100_000, good[:-1], good.swapcase(), foreign, forged):
            assert await live.refused(ada, room, cursor) == ["BAD_USER_INPUT"], cursor

    async def test_one_whose_event_is_gone_has_expired(self, live: Switchboard, process: Process, ada: Person) -> None:
        room = await ada.make_room()
        gone = (await ada.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        await ada.send(room)
        kept = (await ada.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        at = process.cursors.open(ada.workspace_id, gone)
        await rows(
            process,
            "DELETE FROM event WHERE workspace_id = %s AND position <= %s RETURNING 1",
            ada.workspace_id,
            at.position,
        )
        assert await live.refused(ada, room, gone) == ["CURSOR_EXPIRED"]
        await live.call(ada, room, kept)

    async def test_one_of_another_history_has_expired(self, live: Switchboard, process: Process, ada: Person) -> None:
        room = await ada.make_room()
        cursor = (await ada.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        at = process.cursors.open(ada.workspace_id, cursor)
        await rows(
            process,
            "UPDATE event SET stamp = stamp + 1 WHERE workspace_id = %s AND position = %s RETURNING 1",
            ada.workspace_id,
            at.position,
        )
        assert await live.refused(ada, room, cursor) == ["CURSOR_EXPIRED"]

    async def test_one_of_the_future_has_expired(self, live: Switchboard, process: Process, ada: Person) -> None:
        room = await ada.make_room()
        at = process.cursors.open(
            ada.workspace_id, (await ada.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        )
        ahead = process.cursors.seal(ada.workspace_id, at._replace(position=at.position + 1))
        assert await live.refused(ada, room, ahead) == ["CURSOR_EXPIRED"]


@pytest.mark.parametrize(
    "wrong",
    [{"room": None}, {"room": 1.5}, {"room": ["x"]}, {"room": {}}, {"after": 5}, {"after": []}, {"after": {"a": 1}}],
)
async def test_values_of_a_wrong_type_are_bad_input(live: Switchboard, ada: Person, wrong: dict[str, object]) -> None:
    given = {"room": await ada.make_room(), "after": None} | wrong
    with pytest.raises(Rejected) as rejected:
        await live.call(ada, **given)
    assert [each["extensions"]["code"] for each in rejected.value.errors] == ["BAD_USER_INPUT"]


class TestTheEnd:
    async def test_a_removal_completes_the_stream(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(ben, cleo)
        gone, staying = await live.call(cleo, room), await live.call(ben, room)
        await ada.send(room, "All here")
        await gone.has("All here")
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.send(room, "Among ourselves")
        await gone.until(lambda phone: phone.ended is not None)
        await staying.has("All here", "Among ourselves")
        assert (gone.ended, gone.texts) == ("complete", ["All here"])
        assert b"Among ourselves" not in b"".join(gone.payloads)

    async def test_leaving_completes_all_devices(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        phones = [await live.call(cleo, room)]
        other = await sign_in_of(process, cleo.workspace_id, cleo.user_id)
        mine = cleo.token
        cleo.token = other.access_token
        phones.append(await live.call(cleo, room))
        cleo.token = mine
        await cleo.done("leaveRoom", {"roomId": room})
        for phone in phones:
            await phone.until(lambda phone: phone.ended == "complete")

    async def test_signing_out_ends_the_connection_of_that_sign_in_alone(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        here = await live.call(cleo, room)
        other = await sign_in_of(process, cleo.workspace_id, cleo.user_id)
        mine, cleo.token = cleo.token, other.access_token
        there = await live.call(cleo, room)
        cleo.token = mine
        await cleo.do("signOut")
        await here.until(lambda phone: phone.ended == "expelled")
        await ada.send(room, "Still one")
        await there.has("Still one")
        assert here.payloads == []

    async def test_a_sign_in_whose_time_has_run_out_gets_nothing_more(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        await rows(process, "UPDATE session SET expires_at = now() WHERE user_id = %s RETURNING 1", cleo.user_id)
        await ada.send(room, "Too late")
        await phone.until(lambda phone: phone.ended == "expelled")
        assert phone.payloads == []

    async def test_who_is_deactivated_gets_nothing_more(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        await rows(process, "UPDATE \"user\" SET status = 'DEACTIVATED' WHERE id = %s RETURNING 1", cleo.user_id)
        await ada.send(room, "Too late")
        await phone.until(lambda phone: phone.ended == "expelled")
        assert phone.payloads == []

    async def test_one_that_its_client_closed_costs_nothing_more(
        self, live: Switchboard, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        phone, other = await live.call(cleo, room), await live.call(ada, room)
        phone.stream.close()
        phone.stream.close()
        await ada.send(room, "Hello")
        await other.has("Hello")
        assert (phone.payloads, phone.ended) == ([], None)


async def test_who_reads_too_slowly_is_cut_and_resumes(live: Switchboard, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    slow, other = Phone(), await live.call(ada, room)
    slow.most = 2
    await live.call(cleo, room, phone=slow)
    texts = [f"Number {number}" for number in range(5)]
    for text in texts:
        await ada.send(room, text)
    await other.has(*texts)
    await slow.until(lambda phone: phone.ended == "cut")
    assert slow.texts == texts[:2]
    again = await live.call(cleo, room, slow.cursor)
    await again.has(*texts[2:])


async def test_a_replay_waits_for_a_client_that_is_behind(live: Switchboard, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    cursor = (await cleo.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
    texts = [f"Number {number}" for number in range(5)]
    for text in texts:
        await ada.send(room, text)
    slow, quick = Phone(), Phone()
    slow.full = True
    await live.call(cleo, room, cursor, phone=slow)
    await live.call(ada, room, cursor, phone=quick)
    await quick.has(*texts)
    await ada.send(room, "Meanwhile")
    await quick.has(*texts, "Meanwhile")
    assert (slow.payloads, slow.ended) == ([], None)
    slow.take_everything()
    await slow.has(*texts, "Meanwhile")
