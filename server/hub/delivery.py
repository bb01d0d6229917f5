"""One batch of events: whose they are, what is executed for them, and what each subscriber is given.

Everything is read in one snapshot: rights, and the data that the executions show.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from uuid import UUID

from graphql import GraphQLError
from graphql.execution import Executor

from models.connection import UNREACHABLE
from models.event import MEMBERSHIP, EventKind, EventRow, Position
from models.room import RoomRow
from resolvers import stream
from resolvers.process import Process
from resolvers.snapshot import Snapshot
from resolvers.stream import TOLD, End, Seat, Standing
from resolvers.viewer import Viewer
from schema.event import Subjects, told
from schema.event_context import Audience, EventContext
from schema.sharing import Looks
from server.graphql import error
from server.graphql.execution import encoded, executed
from server.graphql.payload import encode
from server.hub.allowance import FEW, READ, VALUE
from server.hub.roster import Group, Roster
from server.hub.subscriber import Outcome, Subscriber

# How many subscribers are given something before others may run.
_BREATH = 500


class Way(Protocol):
    """What differs between the live line and a page of the log."""

    cuts_events: bool
    """Whether an event may be given to some now and to others with the next batch. Each must know by itself what it has
    been given."""

    def owed(self, subscriber: Subscriber, position: int) -> bool:
        """Whether an event is still to be given to a subscriber."""

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
    """A result, what it was found to depend on, and who takes it; of many users, only some. No payload: the event is
    nothing to them."""

    looks: Looks
    payload: bytes | None
    work: int
    users: set[UUID] = field(default_factory=set)
    takers: list[Subscriber] = field(default_factory=list)


@dataclass(slots=True)
class Due:
    """An event and those to whom it may be owed, by what they share."""

    event: EventRow
    groups: list[tuple[Group, list[Subscriber]]]


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
        is_last: bool,
        seconds: float,
    ) -> Position:
        """Give each event behind `own` to those on the roster to whom it is owed, in order.

        `is_last`: the snapshot has no event behind these.
        The last event that was given to all of them: after so many seconds it may be an earlier one.

        Raises:
            one of UNREACHABLE: the database could not be asked. Some may have been given something already.
        """
        until = time.monotonic() + seconds
        due = await self._due(snapshot, events, roster, way)
        batch = await self._batch(snapshot, own, due, is_last=is_last)
        before = own
        for each in due:
            event = each.event
            if event.kind == EventKind.SESSION_ENDED:
                for subscriber in roster.of_session(event.session_id):
                    subscriber.end(End.SIGNED_OUT)
            outcomes: list[tuple[Subscriber, Outcome]] = []
            late = False
            for group, subscribers in each.groups:
                late = way.cuts_events and bool(outcomes) and time.monotonic() > until
                if late:
                    break
                assert batch is not None, "there are groups"
                hearing = [
                    subscriber
                    for subscriber in subscribers
                    if way.owed(subscriber, event.position) and batch.hears(event, subscriber)
                ]
                outcomes += await self._outcomes(batch, event, group, hearing, way, before)
            await _hand_out(event, outcomes, way.give)
            if late:
                break
            before = event.at
            if time.monotonic() > until:
                break
        return before

    async def see_sessions(self, snapshot: Snapshot, subscribers: Collection[Subscriber]) -> None:
        """End those who are not signed in any more in this snapshot."""
        seats: dict[Seat, list[Subscriber]] = {}
        for subscriber in subscribers:
            seats.setdefault(subscriber.seat, []).append(subscriber)
        await self._lost(snapshot, seats)

    async def _lost(
        self, snapshot: Snapshot, seats: Mapping[Seat, Sequence[Subscriber]]
    ) -> Collection[tuple[UUID | None, UUID]]:
        """End those who are not signed in any more; who is outside, by room and user."""
        if not seats:
            return ()
        held = list(seats)
        lost = await snapshot.read(lambda connection: stream.lost_seats(connection, self._workspace_id, held))
        for seat in lost.signed_out:
            for subscriber in seats[seat]:
                subscriber.end(End.SIGNED_OUT)
        return {(seat.room_id, seat.user_id) for seat in lost.outside}

    async def _due(self, snapshot: Snapshot, events: Sequence[EventRow], roster: Roster, way: Way) -> list[Due]:
        """To whom each event may be owed. Who listens to all their rooms is found by who is in the room."""
        people: dict[UUID, list[UUID]] = {}
        rooms = list({event.room_id: None for event in events if event.room_id is not None and event.kind in TOLD})
        if roster.users and rooms:
            found = await snapshot.read(
                lambda connection: stream.people_of(connection, self._workspace_id, rooms, roster.users)
            )
            for room_id, user_id in found:
                people.setdefault(room_id, []).append(user_id)
        due = []
        for event in events:
            groups: list[tuple[Group, list[Subscriber]]] = []
            if event.room_id is not None and event.kind in TOLD:
                users = dict.fromkeys(people.get(event.room_id, ()))
                if event.kind in MEMBERSHIP and event.user_id is not None:
                    users[event.user_id] = None
                for group, subscribers in (*roster.in_room(event), *roster.everywhere(users)):
                    owed = [subscriber for subscriber in subscribers if way.owed(subscriber, event.position)]
                    if owed:
                        groups.append((group, owed))
            due.append(Due(event, groups))
        return due

    async def _batch(self, snapshot: Snapshot, own: Position, due: Sequence[Due], *, is_last: bool) -> "Batch | None":
        heard = [each.event for each in due if each.groups]
        if not heard:
            return None
        seats: dict[Seat, list[Subscriber]] = {}
        listening: dict[UUID, dict[UUID, None]] = {}
        for each in due:
            room_id = each.event.room_id
            for _, subscribers in each.groups:
                assert room_id is not None, "it happened in a room"
                users = listening.setdefault(room_id, {})
                for subscriber in subscribers:
                    named = subscriber.named
                    users[named.user_id] = None
                    seats.setdefault(Seat(room_id, named.user_id, named.session_id), []).append(subscriber)
        rooms = list(listening)
        outside = await self._lost(snapshot, seats)
        if is_last:
            changed = stream.changes_among(each.event for each in due)
        else:
            changed = await snapshot.read(
                lambda connection: stream.changes(connection, self._workspace_id, rooms, own.position)
            )
        known = await snapshot.read(lambda connection: stream.rooms_of_events(connection, self._workspace_id, rooms))
        subjects = Subjects(
            await snapshot.read(lambda connection: stream.messages_of_events(connection, self._workspace_id, heard)),
            await snapshot.read(
                lambda connection: stream.participants_of_events(connection, self._workspace_id, heard)
            ),
        )
        return Batch(
            snapshot,
            Standing(outside, changed),
            subjects,
            {
                # One for each room: an execution for it can't meet another room by its loaders.
                room: Audience(snapshot, self._workspace_id, _only(known, room), list(users))
                for room, users in listening.items()
            },
        )

    async def _outcomes(
        self,
        batch: "Batch",
        event: EventRow,
        group: Group,
        hearing: Sequence[Subscriber],
        way: Way,
        before: Position,
    ) -> list[tuple[Subscriber, Outcome]]:
        """What each of them is to be given: one execution for all whose result is the same."""
        results: list[Shared] = []
        outcomes: list[tuple[Subscriber, Outcome]] = []
        late: list[Subscriber] = []

        def shared(subscriber: Subscriber) -> Shared | None:
            assert subscriber.viewer is not None, "nothing is owed to who is not judged"
            return next((each for each in results if each.looks.hold_for(subscriber.viewer)), None)

        def take(subscriber: Subscriber, result: Shared) -> None:
            end = End.DEPARTED if _ends(event, subscriber) else None
            if result.payload is not None or end is not None:
                outcomes.append((subscriber, Outcome(result.payload, end)))
            if len(result.users) <= FEW:
                result.users.add(subscriber.named.user_id)
                result.takers.append(subscriber)

        for subscriber in hearing:
            result = shared(subscriber)
            if result is None and way.spent(subscriber.named.user_id):
                late.append(subscriber)
                continue
            if result is None:
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
        reads = batch.snapshot.reads
        assert event.room_id is not None, "it happened in a room"
        # Loaders are fresh for each execution: what one has read is no other's.
        context = EventContext(self._process, batch.snapshot, viewer, batch.audiences[event.room_id])
        payload: bytes | None = None
        # What an error has swept away was executed, too.
        whole = False
        try:
            telling = stream.telling(event, group.key.topic, context)
            root = telling and told(event, telling, batch.subjects)
            if root is None:
                whole = True
            else:
                self._counts.executions += 1
                executor = group.executor.build_per_event_executor(root)
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
        written = len(payload or b"") if whole else max(len(payload or b""), VALUE * group.key.values)
        return Shared(context.looks, payload, written + spent + READ * (batch.snapshot.reads - reads))


def _ends(event: EventRow, subscriber: Subscriber) -> bool:
    """Whether a stream of one room ends with its viewer's departure."""
    return subscriber.room_id is not None and stream.leaves(event, subscriber.named.user_id)


async def _hand_out(
    event: EventRow,
    outcomes: Sequence[tuple[Subscriber, Outcome]],
    give: Callable[[Subscriber, EventRow, Outcome], None],
) -> None:
    """Only once all executions are done, and to all sockets of one user side by side: the time between one's own frames
    would else tell how many others listen. Users come in an order that is new each time."""
    by_user: dict[UUID, list[tuple[Subscriber, Outcome]]] = {}
    for subscriber, outcome in outcomes:
        by_user.setdefault(subscriber.named.user_id, []).append((subscriber, outcome))
    users = list(by_user)
    random.shuffle(users)  # nothing secret hangs on it
    given = 0
    for user in users:
        for subscriber, outcome in by_user[user]:
            if not (subscriber.ended or subscriber.paused):
                give(subscriber, event, outcome)
        given += len(by_user[user])
        if given >= _BREATH:
            given = 0
            await asyncio.sleep(0)


class Batch(NamedTuple):
    """What all executions for a batch of events stand on."""

    snapshot: Snapshot
    standing: Standing
    subjects: Subjects
    audiences: dict[UUID, Audience]

    def hears(self, event: EventRow, subscriber: Subscriber) -> bool:
        return self.standing.hears(event, subscriber.key.topic, subscriber.named.user_id, subscriber.since)


def _only(rooms: dict[UUID, RoomRow], room_id: UUID) -> dict[UUID, RoomRow]:
    return {room_id: rooms[room_id]} if room_id in rooms else {}


def _unless_unreachable(failure: GraphQLError) -> None:
    cause: BaseException | None = failure
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, UNREACHABLE):
        raise cause
