"""What subscribers missed, read from the log: page by page, for all of them who come at once.

A page ends early when it takes long, and whoever needs far more of it than the others goes on alone.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any
from uuid import UUID

from graphql.execution import Executor

from models.connection import UNREACHABLE
from models.event import Position
from resolvers import stream
from resolvers.process import Process
from resolvers.snapshot import Snapshot
from server import fault
from server.hub.allowance import SECONDS, Allowance, Stretch
from server.hub.counts import Counts
from server.hub.delivery import Delivery
from server.hub.handful import Together
from server.hub.roster import Roster
from server.hub.subscriber import Run, Subscriber
from server.hub.turns import Lane, Turns

log = logging.getLogger("parley.hub")

# How many events a page of the log has.
PAGE = 200

# How far along the line a page goes at the most: of a quiet room there may be nothing for long.
SPAN = 5_000

# Whoever is less behind than this is brought up together.
NEAR = 999

_PAUSE = 0.5

# How much of a page is handed out at once: whoever has not room for it is brought up alone, as they take it.
TOGETHER = Together(results=500_000, of_one=100_000, seconds=0.5)

# How long a page may take, in seconds, before the next one in its turn; and where nobody waits for a turn.
PAGE_SECONDS = 0.25
ALONE_SECONDS = 1.0

# What is executed on one page for one user alone may take so much work (see `allowance`) before it is compared with
# the others'.
GREEDY = 200_000

# And for one who reads alone so much at once, in the same measure, before the loop is left to others for so many times
# as long as it took.
BURST = 2_000_000
RESTS = 2

Executors = Mapping[Subscriber, "Executor[object]"]


class Replay:
    """Replays for one workspace. Each page has rights, log and data of one snapshot, and sees that the place from
    which it goes on is still there."""

    def __init__(
        self,
        process: Process,
        workspace_id: UUID,
        delivery: Delivery,
        live: Roster,
        counts: Counts,
        turns: Turns,
        on_live: Callable[[Subscriber], None],
    ) -> None:
        self._process = process
        self._workspace_id = workspace_id
        self._delivery = delivery
        self._live = live
        self._counts = counts
        self._turns = turns
        self._on_live = on_live
        self._allowance = Allowance(BURST)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    def begin(self, subscribers: Executors) -> None:
        """Bring subscribers, who are judged and not on the roster, up to the present and then live."""
        if not subscribers:
            return
        head = max(subscriber.since.position for subscriber in subscribers)
        cohorts: dict[int, dict[Subscriber, Executor[object]]] = {}
        for subscriber, executor in subscribers.items():
            # By the order of magnitude: whoever is far behind does not keep the others waiting.
            magnitude = len(str(max(head - subscriber.at.position, NEAR)))
            cohorts.setdefault(magnitude, {})[subscriber] = executor
        for cohort in cohorts.values():
            self._start(self._bring(cohort))

    def begin_alone(self, subscribers: Executors) -> None:
        """The same for those whose results take so much that nobody else shall wait for them: each user's by
        themselves."""
        cohorts: dict[UUID, dict[Subscriber, Executor[object]]] = {}
        for subscriber, executor in subscribers.items():
            cohorts.setdefault(subscriber.listener.user_id, {})[subscriber] = executor
        for cohort in cohorts.values():
            self._start(self._bring(cohort))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bring(self, cohort: Executors) -> None:
        while cohort:
            try:
                async with self._turns.turn(self._workspace_id, _lane(cohort)):
                    # Some may have left while they waited for their turn.
                    cohort = await self._page(_still_there(cohort))
            except UNREACHABLE:
                await asyncio.sleep(_PAUSE)
            except Exception as error:
                fault.record(log, error, "in a replay")
                await asyncio.sleep(_PAUSE)
            cohort = _still_there(cohort)

    async def _page(self, cohort: Executors) -> Executors:
        """Give them one page; those who are not at the end of the log yet, and stay together."""
        if not cohort:
            return cohort
        mine = Roster()
        for subscriber, executor in cohort.items():
            mine.add(subscriber, executor)
            self._live.add(subscriber, executor)
            subscriber.waiting = []
        way = _Page(self._allowance, self._turns, _lane(cohort))
        try:
            end, is_last, is_whole = await self._read(mine, list(cohort), way)
        except BaseException:
            for subscriber in cohort:
                self._leave(subscriber)
            raise
        left = {
            subscriber: executor
            for subscriber, executor in cohort.items()
            if not subscriber.ended and not self._arrived(subscriber, executor, end, is_last)
        }
        greedy = way.greedy(left)
        self.begin_alone({each: executor for each, executor in left.items() if each in greedy})
        left = {each: executor for each, executor in left.items() if each not in greedy}
        if is_whole:
            return left
        for part in way.parts(left):
            self._start(self._bring({each: executor for each, executor in left.items() if each in part}))
        return {}

    async def _read(self, roster: Roster, cohort: list[Subscriber], way: "_Page") -> tuple[Position, bool, bool]:
        """Where the page ends, whether there is nothing behind it, and whether it was not cut short for its time."""
        self._counts.reads += 1
        snapshot = Snapshot(self._process)
        try:
            named = list({place for each in cohort for place in (each.at, each.since)})
            there = await snapshot.read(lambda connection: stream.standing(connection, self._workspace_id, named))
            for subscriber in cohort:
                if subscriber.at not in there:
                    subscriber.expire()
                elif subscriber.since not in there:
                    # It was let in at an event that is lost: what comes in its place is behind all that it was given.
                    subscriber.since = subscriber.at
            # A sign-in that has ended between two pages was told to nobody.
            await self._delivery.see_sessions(snapshot, roster)
            start = min((each.at for each in cohort if not each.ended), default=None)
            if start is None:
                return cohort[0].at, True, True
            page = await snapshot.read(
                lambda connection: stream.log_about(
                    connection, self._workspace_id, start, roster.rooms, roster.users, limit=PAGE, span=SPAN
                )
            )
            given = await self._delivery.deliver(snapshot, start, page.events, roster, way, is_last=page.is_last)
        finally:
            await snapshot.close()
        if page.events and given != page.events[-1].at:
            return given, False, False
        return page.end, page.is_last, True

    def _arrived(self, subscriber: Subscriber, executor: "Executor[object]", end: Position, is_last: bool) -> bool:
        """Whether this cohort is done with a subscriber: it is live, or goes on by itself."""
        if subscriber.paused:
            self._leave(subscriber)
            self._start(self._resume(subscriber, executor))
            return True
        if is_last and subscriber.waiting is not None:
            subscriber.go_live(end)
            self._on_live(subscriber)
            return True
        if end.position > subscriber.at.position:
            subscriber.at = end
        self._leave(subscriber)
        return False

    def _leave(self, subscriber: Subscriber) -> None:
        """Until its next page it is not told what happens: that page will."""
        if not subscriber.live:
            self._live.discard(subscriber)
            subscriber.waiting = None

    async def _resume(self, subscriber: Subscriber, executor: "Executor[object]") -> None:
        await subscriber.outlet.room()
        subscriber.paused = False
        if not subscriber.ended:
            await self._bring({subscriber: executor})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Page:
    """The way of a page of the log."""

    cuts_events = True
    together = TOGETHER

    def __init__(self, allowance: Allowance, turns: Turns, lane: Lane) -> None:
        self._allowance = allowance
        self._turns = turns
        self._lane = lane
        self._stretch = Stretch()
        self._work: Counter[Subscriber] = Counter()
        self._results: Counter[Subscriber] = Counter()

    def is_over(self, began: float) -> bool:
        took = time.monotonic() - began
        return took > ALONE_SECONDS or (took > PAGE_SECONDS and self._turns.are_waited_for)

    def owed(self, subscribers: Iterable[Subscriber], position: int) -> list[Subscriber]:
        return [each for each in subscribers if each.is_owed(position)]

    def give(self, subscriber: Subscriber, run: Run) -> int:
        given = 0
        if not subscriber.outlet.full and subscriber.give_all(run):
            return len(run.results.payloads)
        for at, outcome in run.given:
            if subscriber.outlet.full:
                subscriber.paused = True
                break
            given += subscriber.give(at, outcome)
        return given

    def charge(self, takers: Collection[Subscriber], work: int) -> None:
        for subscriber in takers:
            self._work[subscriber] += work // len(takers)
            self._results[subscriber] += 1
        self._allowance.charge({subscriber.listener.user_id for subscriber in takers}, work)

    async def worked(self, work: int) -> None:
        stretch = self._stretch.add(work)
        if stretch and self._lane is not None and self._allowance.spent(self._lane):
            await self._turns.rest(RESTS * stretch * SECONDS)
        elif stretch:
            await asyncio.sleep(0)

    def spent(self, _: UUID) -> bool:
        return False

    def put_off(self, subscriber: Subscriber, executor: "Executor[object]", before: Position) -> None:
        raise NotImplementedError("on a page nobody's allowance is spent")

    def greedy(self, cohort: Collection[Subscriber]) -> set[Subscriber]:
        """Those of users for whom alone far more was executed than for the others."""
        users: Counter[UUID] = Counter()
        for subscriber in cohort:
            users[subscriber.listener.user_id] += self._work[subscriber]
        whole, others = users.total(), len(users) - 1
        found = {user for user, work in users.items() if work > GREEDY and work * others > 2 * (whole - work)}
        return {subscriber for subscriber in cohort if subscriber.listener.user_id in found}

    def parts(self, cohort: Collection[Subscriber]) -> list[set[Subscriber]]:
        """Those whose results take alike, apart from each other: there was too much for the page, and who takes little,
        or was not come to, shall not wait for who takes much."""
        each = {one: self._work[one] / max(1, self._results[one]) for one in cohort}
        mean = sum(each.values()) / max(1, len(each))
        light = {one for one, work in each.items() if work < mean / 2}
        heavy = {one for one, work in each.items() if work > 2 * mean}
        return [part for part in (light, heavy, set(each) - light - heavy) if part]


def _lane(cohort: Executors) -> Lane:
    users = {subscriber.listener.user_id for subscriber in cohort}
    return users.pop() if len(users) == 1 else None


def _still_there(cohort: Executors) -> Executors:
    return {subscriber: executor for subscriber, executor in cohort.items() if not subscriber.ended}
