"""What subscribers missed, read from the log: page by page, for all of them who come at once."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID

from graphql.execution import Executor

from models.event import EventRow, Position
from resolvers import stream
from resolvers.process import Process
from resolvers.snapshot import Snapshot
from server import fault
from server.hub.delivery import UNREACHABLE, Counts, Delivery
from server.hub.roster import Roster
from server.hub.subscriber import Outcome, Subscriber

log = logging.getLogger("parley.hub")

# How many events a page of the log has.
PAGE = 200

# How far along the line a page goes at the most: of a quiet room there may be nothing for long.
SPAN = 5_000

# Whoever is less behind than this is brought up together.
NEAR = 999

_PAUSE = 0.5

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
        turns: asyncio.Semaphore,
        on_live: Callable[[Subscriber], None],
    ) -> None:
        self._process = process
        self._workspace_id = workspace_id
        self._delivery = delivery
        self._live = live
        self._counts = counts
        # How many pages are read at once in the process, so that a storm leaves the pool to others.
        self._turns = turns
        self._on_live = on_live
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    def begin(self, subscribers: Executors) -> None:
        """Bring subscribers, who are judged and not on the roster, up to the present and then live."""
        if not subscribers:
            return
        head = max(subscriber.since for subscriber in subscribers)
        cohorts: dict[int, dict[Subscriber, Executor[object]]] = {}
        for subscriber, executor in subscribers.items():
            # By the order of magnitude: whoever is far behind does not keep the others waiting.
            magnitude = len(str(max(head - subscriber.at.position, NEAR)))
            cohorts.setdefault(magnitude, {})[subscriber] = executor
        for cohort in cohorts.values():
            self._start(self._bring(cohort))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bring(self, cohort: Executors) -> None:
        while cohort:
            try:
                async with self._turns:
                    # Some may have left while they waited for their turn.
                    cohort = await self._page(_still_there(cohort))
            except UNREACHABLE:
                await asyncio.sleep(_PAUSE)
            except Exception as error:
                fault.record(log, error, "in a replay")
                await asyncio.sleep(_PAUSE)
            cohort = _still_there(cohort)

    async def _page(self, cohort: Executors) -> Executors:
        """Give them one page; those who are not at the end of the log yet."""
        if not cohort:
            return cohort
        mine = Roster()
        for subscriber, executor in cohort.items():
            mine.add(subscriber, executor)
            self._live.add(subscriber, executor)
            subscriber.waiting = []
        try:
            end, is_last = await self._read(mine, list(cohort))
        except BaseException:
            for subscriber in cohort:
                self._leave(subscriber)
            raise
        return {
            subscriber: executor
            for subscriber, executor in cohort.items()
            if not subscriber.ended and not self._arrived(subscriber, executor, end, is_last)
        }

    async def _read(self, roster: Roster, cohort: list[Subscriber]) -> tuple[Position, bool]:
        self._counts.reads += 1
        snapshot = Snapshot(self._process)
        try:
            there = await snapshot.read(
                lambda connection: stream.standing(connection, self._workspace_id, [each.at for each in cohort])
            )
            for subscriber in cohort:
                if subscriber.at not in there:
                    subscriber.expire()
            # A sign-in that has ended between two pages was told to nobody.
            await self._delivery.see_rights(snapshot, cohort, Subscriber.bar)
            start = min((each.at for each in cohort if not each.ended), default=None)
            if start is None:
                return cohort[0].at, True
            page = await snapshot.read(
                lambda connection: stream.log_of_rooms(
                    connection, self._workspace_id, start, roster.rooms(), limit=PAGE, span=SPAN
                )
            )
            await self._delivery.deliver(snapshot, page.events, roster, Subscriber.is_owed, Subscriber.bar, self._give)
        finally:
            await snapshot.close()
        return page.end, page.is_last

    def _give(self, subscriber: Subscriber, event: EventRow, outcome: Outcome) -> None:
        if subscriber.outlet.full:
            subscriber.paused = True
        if not subscriber.paused:
            subscriber.give(event.at, outcome)

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


def _still_there(cohort: Executors) -> Executors:
    return {subscriber: executor for subscriber, executor in cohort.items() if not subscriber.ended}
