"""Who stops reading costs a process a bounded amount of memory, the others nothing, and gets the rest when it reads on.

A process of its own, by real sockets, so that its memory can be told from the test's.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from resolvers.operation import operate
from resolvers.process import Process
from resolvers.user import create_user
from server.embedded.valkey import EmbeddedValkey
from server.graphql.streams import TOO_SLOW
from server.hub.allowance import FEW
from server.websocket.closing import TRY_AGAIN
from tests.api import NUMBERS, PATIENCE, Listener, dialled, serving, sign_in
from tests.cast import Person
from tests.races import rows

SLOW, QUICK = 50, 250
MESSAGES = 130
TEXT = "x" * 10_000
COPIES = 5
BOUND = 120_000_000
assert SLOW * MESSAGES * COPIES * len(TEXT) > 2 * BOUND, "what would be kept without one"

MUCH = NUMBERS.replace("{ sequence", "{ sequence " + " ".join(f"copy{number}: body" for number in range(COPIES)))

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads a process's memory by /proc")


class Memory:
    """What a process keeps, in bytes."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        (self._folder / "clear_refs").write_text("5")  # the most is counted from now on
        self._before = self._kept("VmRSS")

    def growth(self) -> int:
        """At the most, since this was made."""
        return self._kept("VmHWM") - self._before

    def _kept(self, what: str) -> int:
        found = re.search(rf"{what}:\s+(\d+) kB", (self._folder / "status").read_text())
        assert found is not None
        return int(found[1]) * 1024


@pytest.fixture
async def cast(process: Process, ada: Person, ben: Person, cleo: Person, dan: Person) -> list[Person]:
    """So many that what they share is charged to none of them: their streams are live, and not left to the log."""
    (known,) = await rows(process, 'SELECT password_hash FROM "user" WHERE id = %s', ada.user_id)

    async def join(number: int) -> Person:
        member = replace(cleo.member, name=f"cleo{number}")
        user_id = await operate(
            process,
            ada.workspace_id,
            lambda transaction: create_user(
                transaction, kind=member.kind, name=member.name, email=member.email, password_hash=known[0]
            ),
        )
        return Person(member, ada.workspace_id, user_id, ada.client)

    return [ada, ben, cleo, dan, *[await join(number) for number in range(FEW)]]


@pytest.fixture
async def api(database_url: str, valkey: EmbeddedValkey, tmp_path: Path, cast: list[Person]) -> AsyncIterator[int]:
    """A process at which the cast acts; its id."""
    more = SLOW + QUICK
    async with serving(tmp_path / "api", database_url, valkey, connections_of_user=more) as serves:
        await sign_in(cast, serves.client)
        yield serves.process.pid
    assert "Traceback" not in serves.log


async def test_memory_stays_flat_while_fifty_stop_reading_and_the_others_go_on(
    api: int, cast: list[Person], stack: AsyncExitStack
) -> None:
    ada, *others = cast
    room = await ada.make_room(*others)
    whole = list(range(1, MESSAGES + 1))

    async def listening(number: int, query: str) -> Listener:
        listener = Listener(await stack.enter_async_context(dialled(cast[number % len(cast)])), room)
        await listener.subscribe(query)
        return listener

    async with asyncio.timeout(PATIENCE):
        slow = [await listening(number, MUCH) for number in range(SLOW)]
        quick = [await listening(number, NUMBERS) for number in range(QUICK)]
        reading = [asyncio.create_task(each.read(MESSAGES)) for each in quick]
        memory = Memory(api)
        for _ in whole:
            await ada.send(room, TEXT)
        assert await asyncio.gather(*reading) == [None] * QUICK
        assert all(each.seen == whole for each in quick)
        assert memory.growth() < BOUND

        async def resumed(each: Listener, number: int) -> Listener:
            """Behind its cursor, on the same socket; or on a new one, where a slow machine made it look as good as
            gone. By less, since what one user takes alone is paced."""
            closed = None
            try:
                assert await each.read(MESSAGES) == {"id": "1", "type": "error", "payload": [TOO_SLOW]}
            except ConnectionClosed as ended:
                closed = ended
            if closed is not None:
                assert closed.rcvd is None or closed.rcvd.code == TRY_AGAIN.code
                wire = await stack.enter_async_context(dialled(cast[number % len(cast)]))
                each = Listener(wire, room, after=each)
            assert each.seen == whole[: len(each.seen)] != whole
            await each.subscribe(NUMBERS)
            return each

        again = [await resumed(each, number) for number, each in enumerate(slow)]
        assert await asyncio.gather(*(each.read(MESSAGES) for each in again)) == [None] * SLOW
        assert all(each.seen == whole for each in again)
