"""What is due to one socket at once leaves in one write: it is handed over without the event loop running between."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from resolvers import stream
from server.hub.handful import Together
from tests.cast import Person
from tests.live.hold import Hold
from tests.live.phone import Phone, Switchboard
from tests.live.streams import STREAMS

MESSAGES = 10

# The author is asked for: an execution waits for the database.
AUTHORS = """
    subscription ($room: ID!, $after: String) {
      messageAdded(roomId: $room, after: $after) { message { body author { name } } }
    }
"""


class Rounds:
    """Counts the rounds of the event loop."""

    def __init__(self) -> None:
        self.now = 0
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._count)

    def _count(self) -> None:
        self.now += 1
        self._next = self._loop.call_soon(self._count)

    def stop(self) -> None:
        self._next.cancel()


class Watched(Phone):
    """Notes in which round of the loop each result was handed over."""

    def __init__(self, rounds: Rounds) -> None:
        super().__init__()
        self._rounds = rounds
        self.given_in: list[int] = []

    def next(self, payload: bytes) -> bool:
        self.given_in.append(self._rounds.now)
        return super().next(payload)


@pytest.fixture
async def rounds() -> AsyncIterator[Rounds]:
    rounds = Rounds()
    yield rounds
    rounds.stop()


@pytest.mark.parametrize(("handful", "writes"), [(1_000, 1), (1, MESSAGES)], ids=["together", "one by one"])
async def test_what_a_batch_holds_for_a_socket_is_handed_over_together(
    live: Switchboard,
    ada: Person,
    ben: Person,
    cleo: Person,
    rounds: Rounds,
    monkeypatch: pytest.MonkeyPatch,
    handful: int,
    writes: int,
) -> None:
    monkeypatch.setattr("server.hub.watch._Live.together", Together(handful, handful, 60))
    room = await ada.make_room(ben, cleo)
    phones = [Watched(rounds) for _ in range(6)]
    for phone, person in zip(phones, (ada, ben, cleo) * 2, strict=True):
        await live.call(person, room, query=AUTHORS, phone=phone)
    held = Hold(monkeypatch, stream, "read_on")
    await ada.send(room, "0")
    await held.reached.wait()
    for number in range(1, MESSAGES):
        await ada.send(room, str(number))
    held.let_go()
    for phone in phones:
        await phone.has(*map(str, range(MESSAGES)))
        assert len(set(phone.given_in)) == writes


async def test_a_departure_ends_the_stream_amid_what_is_handed_over_together(
    live: Switchboard, ada: Person, ben: Person, cleo: Person, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is added again in the same batch has to subscribe again."""
    monkeypatch.setattr("server.hub.watch._Live.together", Together(1_000, 1_000, 60))
    room = await ada.make_room(ben, cleo)
    leaver, witness = Watched(rounds), Watched(rounds)
    for person, phone in ((cleo, leaver), (ben, witness)):
        await live.call(person, room, query=STREAMS["roomEvents"], phone=phone)
    held = Hold(monkeypatch, stream, "read_on")
    await ada.send(room, "0")
    await held.reached.wait()
    await ada.send(room, "1")
    await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
    await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
    await ada.send(room, "2")
    held.let_go()
    await witness.until(lambda phone: len(phone.payloads) == 5)
    assert len(set(witness.given_in)) == 1, "in one handful"
    await leaver.until(lambda phone: phone.ended is not None)
    assert leaver.ended == "complete"
    # What came before belongs to a membership that is over; what comes behind, to one that it knows nothing of.
    assert [each["data"]["roomEvents"]["__typename"] for each in leaver.told] == ["RoomLeft"]
