"""One batch of events: whose they are, what is executed for them, and what each subscriber is given.

Everything is read in one snapshot: rights, and the data that the executions show.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import psycopg
from graphql import GraphQLError
from graphql.execution import Executor
from psycopg_pool import PoolTimeout

from models.event import EventRow, Position
from models.message import MessageRow
from models.room import RoomRow
from resolvers import stream
from resolvers.process import Process
from resolvers.snapshot import Snapshot
from resolvers.stream import End
from resolvers.viewer import Viewer
from schema.event import message_added
from schema.event_context import Audience, EventContext
from schema.sharing import Looks
from server.graphql import error
from server.graphql.execution import encoded, executed
from server.graphql.payload import encode
from server.hub.allowance import FEW, READ, VALUE
from server.hub.roster import Group, Roster
from server.hub.subscriber import Outcome, Subscriber

# The database could not be asked: the batch is tried again, and nobody is told of a fault. PostgreSQL ends a snapshot
# that was idle for too long (a process that was stopped) with an InternalError, and forgets plans with a
# NotSupportedError when a table changes.
UNREACHABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    psycopg.NotSupportedError,
    PoolTimeout,
    TimeoutError,
    OSError,
)

# How many subscribers are given something before others may run.
_BREATH = 500


class Way(Protocol):
    """What differs between the live line and a page of the log."""

    cuts_events: bool
    """Whether an event may be given to some now and to others with the next batch. Each must know by itself what it has
    been given."""

    def owed(self, subscriber: Subscriber, position: int) -> bool:
        """Whether an event of its stream is still to be given to a subscriber."""

    def bar(self, subscriber: Subscriber) -> None:
        """It is not in its room in the snapshot."""

    def give(self, subscriber: Subscriber, event: EventRow, outcome: Outcome) -> None:
        """Hand over what an event is to a subscriber."""

    def charge(self, takers: Collection[Subscriber], work: int) -> None:
        """These, of few users, have shared a result that took so much work."""

    async def worked(self, work: int) -> None:
        """So much work was done for a result: others may run."""

    def spent(self, user_id: UUID) -> bool:
        """Whether nothing is executed for this user alone just now."""

    def put_off(self, subscriber: Subscriber, executor: "Executor[object]", before: Position) -> None:
        """Nothing was executed for it: it has what was owed to it up to the event `before`, and gets the rest later."""


@dataclass(slots=True)
class Counts:
    """What live delivery has cost since the process began."""

    executions: int = 0
    reads: int = 0
    put_off: int = 0


@dataclass(slots=True)
class Shared:
    """A result, what it was found to depend on, and who takes it; of many users, only some."""

    looks: Looks
    payload: bytes
    work: int
    users: set[UUID] = field(default_factory=set)
    takers: list[Subscriber] = field(default_factory=list)


class Delivery:
    """Delivers the events of one workspace, to whoever is on a roster."""

    def __init__(self, process: Process, workspace_id: UUID, counts: Counts) -> None:
        self._process = process
        self._workspace_id = workspace_id
        self._counts = counts

    async def deliver(
        self,
        snapshot: Snapshot,
        own: Position,
        events: Sequence[EventRow],
        roster: Roster,
        way: Way,
        *,
        seconds: float = math.inf,
    ) -> Position:
        """Give each event behind `own` to those on the roster to whom it is owed, in order.

        The last event that was given to all of them: after so many seconds it may be an earlier one.

        Raises:
            one of UNREACHABLE: the database could not be asked. Some may have been given something already.
        """
        until = time.monotonic() + seconds
        told = [(event, roster.told(event)) for event in events]
        receiving = {
            subscriber: None
            for event, groups in told
            for group in groups
            for subscriber in group.subscribers
            if way.owed(subscriber, event.position)
        }
        await self.see_rights(snapshot, receiving, way.bar)
        batch = await self._batch(snapshot, [event for event, groups in told if groups], receiving)
        before = own
        for event, groups in told:
            for subscriber, how in roster.leaving(event):
                if how is End.SIGNED_OUT:
                    subscriber.end(how)
                else:
                    way.give(subscriber, event, how)
            outcomes: list[tuple[Subscriber, bytes]] = []
            late = False
            for group in groups:
                late = way.cuts_events and bool(outcomes) and time.monotonic() > until
                if late:
                    break
                allowed = [
                    subscriber
                    for subscriber in group.subscribers
                    if subscriber in receiving and not subscriber.barred and way.owed(subscriber, event.position)
                ]
                outcomes += await self._outcomes(batch, event, group, allowed, way, before)
            await _hand_out(event, outcomes, way.give)
            if late:
                break
            before = event.at
            if time.monotonic() > until:
                break
        return before

    async def see_rights(
        self, snapshot: Snapshot, subscribers: Collection[Subscriber], bar: Callable[[Subscriber], None]
    ) -> None:
        """Bar those who are not in their room in this snapshot, and end those who are not signed in any more."""
        seats = list({subscriber.seat: None for subscriber in subscribers})
        if not seats:
            return
        lost = await snapshot.read(lambda connection: stream.lost_seats(connection, self._workspace_id, seats))
        if lost.signed_out or lost.outside:
            for subscriber in subscribers:
                if subscriber.seat in lost.signed_out:
                    subscriber.end(End.SIGNED_OUT)
                elif subscriber.seat in lost.outside:
                    bar(subscriber)

    async def _batch(
        self, snapshot: Snapshot, events: Sequence[EventRow], receiving: Collection[Subscriber]
    ) -> "Batch | None":
        if not events:
            return None
        rooms = list({event.room_id: None for event in events if event.room_id is not None})
        known = await snapshot.read(lambda connection: stream.rooms_of_events(connection, self._workspace_id, rooms))
        messages = await snapshot.read(
            lambda connection: stream.messages_of_events(connection, self._workspace_id, events)
        )
        listening: dict[UUID, list[UUID]] = {room: [] for room in rooms}
        for subscriber in receiving:
            listening[subscriber.room_id].append(subscriber.named.user_id)
        return Batch(
            snapshot,
            messages,
            {
                # One for each room: an execution for it can't meet another room by its loaders.
                room: Audience(snapshot, self._workspace_id, _only(known, room), listening[room])
                for room in rooms
            },
        )

    async def _outcomes(
        self,
        batch: "Batch | None",
        event: EventRow,
        group: Group,
        allowed: Sequence[Subscriber],
        way: Way,
        before: Position,
    ) -> list[tuple[Subscriber, bytes]]:
        """What each of them is to be given: one execution for all whose result is the same."""
        results: list[Shared] = []
        outcomes = []
        late: list[Subscriber] = []

        def shared(subscriber: Subscriber) -> Shared | None:
            assert subscriber.viewer is not None, "nothing is owed to who is not judged"
            return next((each for each in results if each.looks.hold_for(subscriber.viewer)), None)

        def take(subscriber: Subscriber, result: Shared) -> None:
            outcomes.append((subscriber, result.payload))
            if len(result.users) <= FEW:
                result.users.add(subscriber.named.user_id)
                result.takers.append(subscriber)

        for subscriber in allowed:
            result = shared(subscriber)
            if result is None and way.spent(subscriber.named.user_id):
                late.append(subscriber)
                continue
            if result is None:
                assert batch is not None, "there are groups"
                assert subscriber.viewer is not None, "nothing is owed to who is not judged"
                result = await self._execute(batch, event, group, subscriber.viewer)
                results.append(result)
                await way.worked(result.work)
            take(subscriber, result)
        for subscriber in late:
            result = shared(subscriber)
            if result is not None:
                take(subscriber, result)
            else:
                self._counts.put_off += 1
                way.put_off(subscriber, group.executor, before)
        for result in results:
            if len(result.users) <= FEW:
                way.charge(result.takers, result.work)
        return outcomes

    async def _execute(self, batch: "Batch", event: EventRow, group: Group, viewer: Viewer) -> Shared:
        assert event.room_id is not None
        self._counts.executions += 1
        reads = batch.snapshot.reads
        # Loaders are fresh for each execution: what one has read is no other's.
        context = EventContext(self._process, batch.snapshot, viewer, batch.audiences[event.room_id])
        # What an error has swept away was executed, too.
        whole = False
        try:
            executor = group.executor.build_per_event_executor(batch.root(event))
            executor.context_value = context
            result = await executed(executor)
            for failure in result.errors or ():
                _unless_unreachable(failure)
            payload = encoded(result)
            whole = not result.errors
        except UNREACHABLE:
            raise
        except Exception as fault:
            # As a fault in a field is told: one event that can't be shown must not hold up all others.
            payload = encode({"errors": [error.unexpected(fault)], "data": None})
        spent = context.loaders.budget.spent
        context.loaders.forget()
        written = len(payload) if whole else max(len(payload), VALUE * group.key.values)
        return Shared(context.looks, payload, written + spent + READ * (batch.snapshot.reads - reads))


async def _hand_out(
    event: EventRow, outcomes: Sequence[tuple[Subscriber, bytes]], give: Callable[[Subscriber, EventRow, Outcome], None]
) -> None:
    """Only once all executions are done, and to all sockets of one user side by side: the time between one's own frames
    would else tell how many others listen. Users come in an order that is new each time."""
    by_user: dict[UUID, list[tuple[Subscriber, bytes]]] = {}
    for subscriber, payload in outcomes:
        by_user.setdefault(subscriber.named.user_id, []).append((subscriber, payload))
    users = list(by_user)
    random.shuffle(users)  # nothing secret hangs on it
    given = 0
    for user in users:
        for subscriber, payload in by_user[user]:
            if not (subscriber.ended or subscriber.paused):
                give(subscriber, event, payload)
        given += len(by_user[user])
        if given >= _BREATH:
            given = 0
            await asyncio.sleep(0)


class Batch(NamedTuple):
    """What all executions for a batch of events stand on."""

    snapshot: Snapshot
    messages: dict[tuple[UUID | None, int | None], MessageRow]
    audiences: dict[UUID, Audience]

    def root(self, event: EventRow) -> Any:
        return message_added(event, self.messages[event.room_id, event.sequence])


def _only(rooms: dict[UUID, RoomRow], room_id: UUID) -> dict[UUID, RoomRow]:
    return {room_id: rooms[room_id]} if room_id in rooms else {}


def _unless_unreachable(failure: GraphQLError) -> None:
    cause: BaseException | None = failure
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, UNREACHABLE):
        raise cause
