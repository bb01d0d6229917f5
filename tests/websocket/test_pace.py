"""Whoever says very much says it in turns, and is heard to the end."""

import asyncio

import pytest

from server.websocket.pace import BURST, OPERATION, REST, Lane
from tests.websocket.conftest import Client, Dial

MESSAGES = 3_000


class Talker:
    def __init__(self, lane: Lane, turns: list["Talker"], messages: int, count: int) -> None:
        self._lane, self._turns, self._messages, self._left = lane, turns, messages, count

    def go_on(self) -> int:
        self._turns.append(self)
        self._left -= 1
        if self._left:
            self._lane.enter(self)
        return self._messages


async def test_all_have_their_turns_one_after_another_and_rest_between() -> None:
    loop = asyncio.get_running_loop()
    lane, turns, began = Lane(loop), [], loop.time()
    first, second = Talker(lane, turns, 1_000, 3), Talker(lane, turns, 500, 3)
    lane.enter(first)
    lane.enter(second)
    async with asyncio.timeout(20):
        while len(turns) < 6:
            await asyncio.sleep(0.001)
    assert turns == [first, second] * 3
    # Behind the last turn there is nobody who would have to wait.
    assert loop.time() - began >= 0.9 * (3 * 1_000 + 2 * 500) * REST


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was rested for, in messages."""
    rests: list[int] = []
    rest = Lane.rest

    def rested(lane: Lane, messages: int) -> None:
        rests.append(messages)
        rest(lane, messages)

    monkeypatch.setattr(Lane, "rest", rested)
    return rests


async def test_who_says_little_waits_for_no_turn(client: Client, noted: list[int]) -> None:
    for number in range(5):
        await client.subscribe(str(number))
    await client.settled()
    assert noted == []


async def test_who_says_very_much_is_heard_to_the_end_in_turns(client: Client, noted: list[int]) -> None:
    for number in range(MESSAGES):
        await client.say(type="ping", payload={"number": number})
    for number in range(MESSAGES):
        assert await client.hear() == {"type": "pong", "payload": {"number": number}}
    # Some are given back meanwhile; without turns there would be no rest at all.
    assert sum(noted) > 0
    assert sum(noted) <= MESSAGES - BURST


async def test_operations_count_for_more(client: Client, noted: list[int]) -> None:
    many = 4 * BURST // OPERATION
    for number in range(many):
        await client.subscribe(str(number))
        await client.complete(str(number))
    await client.settled()
    assert sum(noted) > 2 * many


async def test_without_a_sign_in_too(dial: Dial, noted: list[int]) -> None:
    stranger = await dial()
    for _ in range(MESSAGES):
        await stranger.say(type="pong")
    await stranger.init()
    await stranger.settled()
    assert sum(noted) > 0
