"""One workspace that somebody watches: its reader, and the way in for subscribers.

Subscribing has no gap. A subscriber is put on the roster first, and what the reader finds for it waits; then right,
cursor and the line's newest event S are read in one snapshot. The log gives what is after the cursor up to S; what
waits at or below S is dropped. The reader's own position is older than any S, since it was read before.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial
from uuid import UUID
from weakref import WeakValueDictionary

from graphql.execution import Executor

from models.connection import UNREACHABLE
from models.event import EventRow, Position
from resolvers import stream
from resolvers.errors import CursorExpired, ParleyError, SignInEnded
from resolvers.event import newest
from resolvers.process import Process
from resolvers.snapshot import ANSWER_SECONDS, Snapshot
from resolvers.tokens import Named
from resolvers.viewer import Viewer
from server import fault
from server.hub.allowance import Allowance, Stretch
from server.hub.counts import Counts
from server.hub.delivery import Delivery
from server.hub.handful import Together
from server.hub.replay import Replay
from server.hub.roster import Roster
from server.hub.subscriber import Listener, Run, Subscriber
from server.hub.turns import Turns

log = logging.getLogger("parley.hub")

# How many events the reader takes at once.
BATCH = 200

# How much it hands out at once.
TOGETHER = Together(results=20_000, of_one=500, seconds=0.01)

# How long, in seconds, it delivers them by one snapshot.
BATCH_SECONDS = 0.25

# How long, in seconds, a subscriber waits to be let in while the database can't be asked.
_PATIENCE = 15.0

# Between tries while the database can't be asked, in seconds: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class Watch:
    def __init__(self, process: Process, workspace_id: UUID, counts: Counts, turns: Turns) -> None:
        self.workspace_id = workspace_id
        # The event that the reader stands behind.
        self.at: Position | None = None
        self._process = process
        self._counts = counts
        self._delivery = Delivery(process, workspace_id, counts)
        self._roster = Roster()
        self._replay = Replay(process, workspace_id, self._delivery, self._roster, counts, turns, self._note)
        # Live from an event on that the reader has not come to yet.
        self._ahead: set[Subscriber] = set()
        self._unjudged: set[Subscriber] = set()
        self._way = _Live(self._roster)
        self._arrivals: list[Subscriber] = []
        self._arrived = asyncio.Event()
        self._news = asyncio.Event()
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Of those who are on their way in; later their group has one for all of them.
        self._executors: dict[Subscriber, Executor[object]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: WeakValueDictionary[UUID, Listener] = WeakValueDictionary()

    @property
    def idle(self) -> bool:
        """Whether nobody is here, or on the way in."""
        return not (self._executors or self._roster or self._replay.busy)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._let_in())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, self._replay.stop(), return_exceptions=True)

    def hear(self, position: int | None) -> None:
        """A hint: the line has come to that position; None: look for yourself."""
        if self.at is None or position is None or position > self.at.position:
            self._news.set()

    def found(self, newest: Position) -> None:
        """The sweep: where the line is. It may be behind the reader, in another history of the database."""
        if newest != self.at:
            self._news.set()

    def listener(self, named: Named) -> Listener:
        """The one of a sign-in."""
        return self._listeners.setdefault(named.session_id, Listener(named))

    async def join(self, subscriber: Subscriber, executor: "Executor[object]") -> None:
        """Let a subscriber in; when this returns it has its position, and misses nothing from then on.

        Raises:
            Unauthenticated, Missing, CursorExpired: as it is judged.
            TimeoutError: the database can't be asked.
        """
        self._executors[subscriber] = executor
        subscriber.on_end(self._forget)
        try:
            async with asyncio.timeout(_PATIENCE):
                await asyncio.shield(self._started)
                self._register(subscriber)
                self._arrivals.append(subscriber)
                self._arrived.set()
                await subscriber.judged
        except BaseException as error:
            task = asyncio.current_task()
            signed_out = subscriber.ended and isinstance(error, asyncio.CancelledError)
            subscriber.close()
            if signed_out and task is not None and not task.cancelling():
                raise SignInEnded from None
            raise

    def _register(self, subscriber: Subscriber) -> None:
        subscriber.waiting = []
        self._unjudged.add(subscriber)
        self._roster.add(subscriber, self._executors[subscriber])

    def _forget(self, subscriber: Subscriber) -> None:
        self._ahead.discard(subscriber)
        self._unjudged.discard(subscriber)
        self._roster.discard(subscriber)
        self._executors.pop(subscriber, None)

    async def _let_in(self) -> None:
        """Whoever comes while others are being judged is judged with all who come meanwhile."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            arrivals, self._arrivals = [each for each in self._arrivals if not each.ended], []
            if arrivals:
                await self._persist(partial(self._judge, arrivals))

    async def _judge(self, arrivals: list[Subscriber]) -> None:
        snapshot = Snapshot(self._process)
        try:
            judgement = await snapshot.read(
                lambda connection: stream.judge(
                    connection, self.workspace_id, [(each.seat, each.after) for each in arrivals]
                )
            )
        finally:
            await snapshot.close()
        behind: dict[Subscriber, Executor[object]] = {}
        try:
            for subscriber, verdict in zip(arrivals, judgement.verdicts, strict=True):
                if not subscriber.judged.done():
                    self._admit(subscriber, verdict, judgement.at, behind)
        finally:
            self._replay.begin(behind)

    def _admit(
        self,
        subscriber: Subscriber,
        verdict: Viewer | ParleyError,
        at: Position,
        behind: dict[Subscriber, Executor[object]],
    ) -> None:
        if isinstance(verdict, ParleyError):
            subscriber.judged.set_exception(verdict)
            return
        executor = self._executors.pop(subscriber)
        self._unjudged.discard(subscriber)
        subscriber.viewer = verdict
        subscriber.since = at
        if subscriber.after is None:
            subscriber.at = at
        subscriber.judged.set_result(None)
        if subscriber.at == at and subscriber.waiting is not None:
            subscriber.go_live(at)
            self._note(subscriber)
        else:
            self._roster.discard(subscriber)
            subscriber.waiting = None
            behind[subscriber] = executor

    async def _read(self) -> None:
        await self._persist(self._start)
        while True:
            await self._news.wait()
            self._news.clear()
            await self._persist(self._read_on)

    async def _start(self) -> None:
        async with self._process.pool.connection() as connection:
            with connection.limited(ANSWER_SECONDS):
                self.at = await newest(connection, self.workspace_id)
        self._started.set_result(None)

    async def _read_on(self) -> None:
        while await self._read_batch():
            pass

    async def _read_batch(self) -> bool:
        """Whether there may be more."""
        assert self.at is not None
        own = self.at
        self._counts.reads += 1
        snapshot = Snapshot(self._process)
        try:
            events = await snapshot.read(lambda connection: stream.read_on(connection, self.workspace_id, own, BATCH))
            if events:
                self._see_history(events)
                self._leave_to_the_log(events)
                self.at = await self._delivery.deliver(
                    snapshot,
                    own,
                    events,
                    self._roster,
                    self._way,
                    is_last=len(events) < BATCH,
                )
            return len(events) == BATCH or (bool(events) and self.at != events[-1].at)
        except CursorExpired:
            self.at = await snapshot.read(lambda connection: newest(connection, self.workspace_id))
            self._leave_everybody_to_the_log()
            return False
        finally:
            self._replay.begin_alone(self._way.take_put_off())
            await snapshot.close()

    def _note(self, subscriber: Subscriber) -> None:
        if self.at is None or subscriber.at.position > self.at.position:
            self._ahead.add(subscriber)

    def _see_history(self, events: Sequence[EventRow]) -> None:
        """Who was ahead of the reader must meet the event that they stand behind, and not another one in its place."""
        stamps = {event.position: event.stamp for event in events}
        for subscriber in list(self._ahead):
            if subscriber.at.position <= events[-1].position:
                self._ahead.discard(subscriber)
                if stamps.get(subscriber.at.position, subscriber.at.stamp) != subscriber.at.stamp:
                    subscriber.expire()

    def _leave_to_the_log(self, events: Sequence[EventRow]) -> None:
        """Nobody knows yet as whom to execute for those who are not judged: they get what they are owed by the log."""
        rooms = {event.room_id for event in events}
        for subscriber in self._unjudged:
            if subscriber.room_id is None or subscriber.room_id in rooms:
                subscriber.waiting = None

    def _leave_everybody_to_the_log(self) -> None:
        """The database has another history than the one that was read: a dump was restored, or a failover has lost
        the last events. The log tells whose own place is lost, and whose is from before the cut or of the new
        history."""
        log.warning("the line of a workspace is not the one that was read: streams end whose place is not there")
        left: dict[Subscriber, Executor[object]] = {}
        for subscriber in list(self._roster):
            if subscriber.live:
                left[subscriber] = self._roster.executor_of(subscriber)
                subscriber.leave_live(subscriber.at)
                self._roster.discard(subscriber)
                self._ahead.discard(subscriber)
            else:
                subscriber.waiting = None
        self._replay.begin(left)

    async def _persist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it, however often the database has to be asked."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await work()
            except UNREACHABLE as error:
                if pause == _FIRST_PAUSE:
                    log.warning("the database cannot be asked (%s): trying on", type(error).__name__)
            except Exception as error:
                fault.record(log, error, "in live delivery")
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  not for secrets
            pause = min(pause * 2, _LONGEST_PAUSE)


class _Live:
    """The way of the live line."""

    cuts_events = False
    together = TOGETHER

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._allowance = Allowance()
        self._stretch = Stretch()
        self._put_off: dict[Subscriber, Executor[object]] = {}

    def is_over(self, began: float) -> bool:
        return time.monotonic() - began > BATCH_SECONDS

    def owed(self, subscribers: Iterable[Subscriber], position: int) -> list[Subscriber]:
        return [each for each in subscribers if each.is_owed_live(position)]

    def give(self, subscriber: Subscriber, run: Run) -> int:
        if subscriber.live:
            if subscriber.give_all(run):
                return len(run.results.payloads)
            given = 0
            for at, outcome in run.given:
                given += subscriber.give(at, outcome)
            return given
        if subscriber.waiting is not None:
            # When it is live it is given this, or has been by then.
            subscriber.waiting.extend(run.given)
        return 0

    def charge(self, takers: Collection[Subscriber], work: int) -> None:
        self._allowance.charge({subscriber.listener.user_id for subscriber in takers}, work)

    async def worked(self, work: int) -> None:
        if self._stretch.add(work):
            await asyncio.sleep(0)

    def spent(self, user_id: UUID) -> bool:
        return self._allowance.spent(user_id)

    def put_off(self, subscriber: Subscriber, executor: "Executor[object]", before: Position) -> None:
        if subscriber.live:
            subscriber.leave_live(before)
            self._roster.discard(subscriber)
            self._put_off[subscriber] = executor
        else:
            # The replay that is bringing it gives it this event too.
            subscriber.waiting = None

    def take_put_off(self) -> dict[Subscriber, "Executor[object]"]:
        """Those who have left the live line for the log."""
        taken, self._put_off = self._put_off, {}
        return {subscriber: executor for subscriber, executor in taken.items() if not subscriber.ended}
