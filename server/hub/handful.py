"""What several events are to their subscribers is handed out together: when, in which order, and in which pieces."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, Protocol
from uuid import UUID

from models.event import Position
from server.hub.counts import Counts
from server.hub.subscriber import Given, Listener, Outcome, Run, Subscriber

# How many results are given before others may run; and to one user how many bytes, too: their sockets are bounded, and
# none is written to the wire while nobody else runs.
BREATH = 500
_BREATH_BYTES = 1024 * 1024

# Of what is made once for many, so much is kept while it is handed out.
_KEPT_BYTES = 4 * 1024 * 1024

# Results of several events are handed out at once, so that what goes to one socket leaves in one write: so many bytes,
# and what the way says.
_HANDFUL_BYTES = 1024 * 1024


class Together(NamedTuple):
    """How much is handed out at once: so many results, so many to one user (whose sockets take only so much before it
    has been written to the wire), and what comes within so many seconds, whatever is being executed then."""

    results: int
    of_one: int
    seconds: float


class Taking(Protocol):
    """The way to subscribers, live or by a page of the log."""

    @property
    def together(self) -> Together: ...

    def give(self, subscriber: Subscriber, run: Run) -> int:
        """Hand over what events are to a subscriber; how many results it was given."""


Outcomes = list[tuple[Subscriber, Outcome]]


@dataclass(slots=True)
class Theirs:
    """What is there for one user."""

    subscribers: dict[Subscriber, list[Given]] = field(default_factory=dict)
    results: int = 0


class Handful:
    """What several events are to their subscribers, until it is handed out."""

    def __init__(self, way: Taking, counts: Counts) -> None:
        self._way = way
        self._together = way.together
        self._counts = counts
        self._by_user: dict[UUID, Theirs] = {}
        # The same, found faster.
        self._by_listener: dict[Listener, Theirs] = {}
        self._size = self._most = 0
        self._bytes = 0
        self._since = 0.0
        self._turn = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._hurrying: asyncio.Task[None] | None = None

    def add(self, at: Position, outcomes: Outcomes) -> None:
        if not outcomes:
            return
        if not self._by_user:
            self._since = time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(self._together.seconds, self._hurry)
        given = {id(outcome): (at, outcome) for _, outcome in outcomes}
        for subscriber, outcome in outcomes:
            listener = subscriber.listener
            theirs = self._by_listener.get(listener)
            if theirs is None:
                theirs = self._by_listener[listener] = self._by_user.setdefault(listener.user_id, Theirs())
            run = theirs.subscribers.get(subscriber)
            if run is None:
                run = theirs.subscribers[subscriber] = []
            run.append(given[id(outcome)])
            theirs.results += 1
            if theirs.results > self._most:
                self._most = theirs.results
        self._size += len(outcomes)
        payloads = {id(outcome.payload): outcome.payload for _, outcome in given.values()}
        self._bytes += sum(len(payload or b"") for payload in payloads.values())

    @property
    def full(self) -> bool:
        return bool(self._by_user) and (
            self._size >= self._together.results
            or self._most >= self._together.of_one
            or self._bytes >= _HANDFUL_BYTES
            or time.monotonic() - self._since >= self._together.seconds
        )

    def _hurry(self) -> None:
        """An execution for a later event takes long: nobody waits for it who has nothing to do with it."""
        if self._hurrying is None or self._hurrying.done():
            self._hurrying = asyncio.create_task(self.hand_out())

    async def close(self) -> None:
        """Hand out what is there, and nothing by itself any more."""
        await self.hand_out()
        if self._hurrying is not None:
            await self._hurrying

    def drop(self) -> None:
        """Hand out nothing any more."""
        self._by_user, self._by_listener = {}, {}
        if self._timer is not None:
            self._timer.cancel()
        if self._hurrying is not None:
            self._hurrying.cancel()

    async def hand_out(self) -> None:
        """One after another: when this returns, all that was added before has been given."""
        async with self._turn:
            while self._by_user:
                await self._hand_out()

    async def _hand_out(self) -> None:
        """Only once all executions are done, and to all sockets of one user side by side, in the order in which they
        subscribed: the time between one's own frames would else tell who else listens. Users come in an order that is
        new each time."""
        if self._timer is not None:
            self._timer.cancel()
        users, much = list(self._by_user.values()), self._most >= self._together.of_one
        self._by_user, self._by_listener, self._size, self._most, self._bytes = {}, {}, 0, 0, 0
        random.shuffle(users)  # nothing secret hangs on it
        runs: dict[Hashable, Run] = {}
        given = kept = 0
        for theirs in users:
            results = size = 0
            for subscriber, mine in _portions(theirs):
                alike = id(mine[0]) if len(mine) == 1 else tuple(map(id, mine))
                run = runs.get(alike)
                if run is None:
                    run = Run(mine)
                    kept += run.results.size
                    if kept > _KEPT_BYTES:
                        runs, kept = {}, run.results.size
                    runs[alike] = run
                if not (subscriber.ended or subscriber.paused):
                    self._counts.deliveries += self._way.give(subscriber, run)
                results += len(mine)
                size += run.results.size
                if results >= BREATH or size >= _BREATH_BYTES:
                    results = size = 0
                    await asyncio.sleep(0)
            given += theirs.results
            if given >= BREATH:
                given = 0
                await asyncio.sleep(0)
        if much:
            # Executions that ask nothing don't let anybody run.
            await asyncio.sleep(0)


_number, _connection = attrgetter("number"), attrgetter("connection")


def _portions(theirs: Theirs) -> Iterable[tuple[Subscriber, list[Given]]]:
    """What is given to whom at once. Where streams share a connection they are given event by event: their order would
    else tell where a handful has ended, which others decide."""
    subscribers = theirs.subscribers
    ordered = sorted(subscribers, key=_number)
    if theirs.results == len(ordered):
        return [(subscriber, subscribers[subscriber]) for subscriber in ordered]
    streams = Counter(map(_connection, ordered))
    alone = [(subscriber, subscribers[subscriber]) for subscriber in ordered if streams[subscriber.connection] == 1]
    beside = [
        (given, subscriber)
        for subscriber in ordered
        if streams[subscriber.connection] > 1
        for given in subscribers[subscriber]
    ]
    beside.sort(key=lambda each: each[0][0].position)
    return [*alone, *((subscriber, [given]) for given, subscriber in beside)]
