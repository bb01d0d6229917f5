"""One batch of events: whose they are, what is executed for them, and what each subscriber is given.

Everything is read in one snapshot: rights, and the data that the executions show.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
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
from schema.sharing import Looks, Shared
from server.graphql import error
from server.graphql.execution import encoded, executed
from server.graphql.payload import encode
from server.hub.allowance import FEW, READ, VALUE
from server.hub.counts import Counts
from server.hub.handful import BREATH, Handful, Outcomes, Taking
from server.hub.roster import Group, Roster
from server.hub.subscriber import Listener, Outcome, Subscriber


class Way(Taking, Protocol):
    """What differs between the live line and a page of the log."""

    cuts_events: bool
    """Whether an event may be given to some now and to others with the next batch. Each must know by itself what it has
    been given."""

    def is_over(self, began: float) -> bool:
        """Whether what began then, on the monotonic clock, has taken long enough for now."""

    def owed(self, subscribers: Iterable[Subscriber], position: int) -> list[Subscriber]:
        """Those to whom an event is still to be given."""

    def charge(self, takers: Collection[Subscriber], work: int) -> None:
        """These, of few users, have shared a result that took so much work."""

    async def worked(self, work: int) -> None:
        """So much work was done for a result: others may run."""

    def spent(self, user_id: UUID) -> bool:
        """Whether nothing is executed for this user alone just now."""

    def put_off(self, subscriber: Subscriber, executor: "Executor[object]", before: Position) -> None:
        """Nothing was executed for it: it has what was owed to it up to the event `before`, and gets the rest later."""


@dataclass(slots=True)
class Result:
    """What an execution gave, and who takes it; of many users, only some. No payload: the event is nothing to them."""

    outcome: Outcome
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
    ) -> Position:
        """Give each event behind `own` to those on the roster to whom it is owed, in order.

        `is_last`: the snapshot has no event behind these.
        The last event that was given to all of them: where the way says that it is over, it may be an
        earlier one.

        Raises:
            one of UNREACHABLE: the database could not be asked. Some may have been given something already.
        """
        began = time.monotonic()
        due = await self._due(snapshot, events, roster, way)
        batch = await self._batch(snapshot, own, due, roster, is_last=is_last)
        handful = Handful(way, self._counts)
        try:
            try:
                before = await self._collect(batch, own, due, roster, way, handful, began)
            except Exception:
                # What was done before is no worse for what has failed.
                await handful.close()
                raise
            await handful.close()
            return before
        finally:
            handful.drop()

    async def _collect(
        self,
        batch: "Batch | None",
        own: Position,
        due: Sequence[Due],
        roster: Roster,
        way: Way,
        handful: Handful,
        began: float,
    ) -> Position:
        before = own
        for each in due:
            event = each.event
            ending = roster.of_session(event.session_id) if event.kind == EventKind.SESSION_ENDED else ()
            if ending:
                await handful.hand_out()
                for subscriber in ending:
                    subscriber.end(End.SIGNED_OUT)
            outcomes: Outcomes = []
            cut = False
            for group, subscribers in each.groups:
                cut = way.cuts_events and bool(outcomes) and way.is_over(began)
                if cut:
                    break
                assert batch is not None, "there are groups"
                hearing = way.owed(subscribers, event.position)
                if not batch.standing.all_hear(event):
                    hearing = [subscriber for subscriber in hearing if batch.hears(event, subscriber)]
                late = await self._execute_for(batch, event, group, hearing, way, outcomes)
                if late:
                    await handful.hand_out()
                    self._counts.put_off += len(late)
                    for subscriber in late:
                        way.put_off(subscriber, group.executor, before)
            handful.add(event.at, outcomes)
            if len(outcomes) >= BREATH:
                await asyncio.sleep(0)
            if cut:
                break
            before = event.at
            if way.is_over(began):
                break
            if handful.full:
                await handful.hand_out()
        return before

    async def see_sessions(self, snapshot: Snapshot, roster: Roster) -> None:
        """End those on a roster who are not signed in any more in this snapshot."""
        await self._lost(snapshot, roster, list(dict.fromkeys(subscriber.seat for subscriber in roster)))

    async def _lost(
        self, snapshot: Snapshot, roster: Roster, held: Sequence[Seat]
    ) -> Collection[tuple[UUID | None, UUID]]:
        """End those who are not signed in any more; who is outside, by room and user."""
        if not held:
            return ()
        lost = await snapshot.read(lambda connection: stream.lost_seats(connection, self._workspace_id, held))
        for session_id in {seat.session_id for seat in lost.signed_out}:
            for subscriber in roster.of_session(session_id):
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
                    owed = way.owed(subscribers, event.position)
                    if owed:
                        groups.append((group, owed))
            due.append(Due(event, groups))
        return due

    async def _batch(
        self, snapshot: Snapshot, own: Position, due: Sequence[Due], roster: Roster, *, is_last: bool
    ) -> "Batch | None":
        heard = [each.event for each in due if each.groups]
        if not heard:
            return None
        listening: dict[UUID, dict[Listener, None]] = {}
        for each in due:
            for _, subscribers in each.groups:
                assert each.event.room_id is not None, "it happened in a room"
                listening.setdefault(each.event.room_id, {}).update(
                    dict.fromkeys(subscriber.listener for subscriber in subscribers)
                )
        rooms = list(listening)
        outside = await self._lost(
            snapshot,
            roster,
            [
                Seat(room_id, listener.user_id, listener.session_id)
                for room_id, listeners in listening.items()
                for listener in listeners
            ],
        )
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
                room: Audience(
                    snapshot, self._workspace_id, _only(known, room), [listener.user_id for listener in listeners]
                )
                for room, listeners in listening.items()
            },
        )

    async def _execute_for(
        self,
        batch: "Batch",
        event: EventRow,
        group: Group,
        hearing: Sequence[Subscriber],
        way: Way,
        outcomes: Outcomes,
    ) -> list[Subscriber]:
        """Add what each of them is to be given: one execution for all whose result is the same. Those for whom nothing
        was executed, since their users have spent their allowance."""
        results: list[Result] = []
        shared: Shared[Result] = Shared()
        known: dict[Listener, Result] = {}
        late: list[Subscriber] = []

        def of(subscriber: Subscriber) -> Result | None:
            assert subscriber.viewer is not None, "nothing is owed to who is not judged"
            result = shared.of(subscriber.viewer)
            if result is not None:
                known[subscriber.listener] = result
            return result

        def take(subscriber: Subscriber, result: Result) -> None:
            if leaving and _ends(event, subscriber):
                outcomes.append((subscriber, Outcome(result.outcome.payload, End.DEPARTED)))
            elif result.outcome.payload is not None:
                outcomes.append((subscriber, result.outcome))
            if len(result.users) <= FEW:
                result.users.add(subscriber.listener.user_id)
                result.takers.append(subscriber)

        leaving = event.kind == EventKind.PARTICIPANT_REMOVED
        for subscriber in hearing:
            if way.spent(subscriber.listener.user_id):
                # Also where somebody else's result would do: that it comes sooner would tell that they listen.
                late.append(subscriber)
                continue
            result = known.get(subscriber.listener) or of(subscriber)
            if result is None:
                assert subscriber.viewer is not None, "nothing is owed to who is not judged"
                looks, result = await self.execute(batch, event, group, subscriber.viewer)
                results.append(result)
                shared.add(looks, result)
                known[subscriber.listener] = result
                await way.worked(result.work)
            take(subscriber, result)
        for result in results:
            if len(result.users) <= FEW:
                way.charge(result.takers, result.work)
        return late

    async def execute(self, batch: "Batch", event: EventRow, group: Group, viewer: Viewer) -> tuple[Looks, Result]:
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
        return context.looks, Result(Outcome(payload), written + spent + READ * (batch.snapshot.reads - reads))


def _ends(event: EventRow, subscriber: Subscriber) -> bool:
    """Whether a stream of one room ends with its viewer's departure."""
    return subscriber.room_id is not None and stream.leaves(event, subscriber.listener.user_id)


class Batch(NamedTuple):
    """What all executions for a batch of events stand on."""

    snapshot: Snapshot
    standing: Standing
    subjects: Subjects
    audiences: dict[UUID, Audience]

    def hears(self, event: EventRow, subscriber: Subscriber) -> bool:
        user_id, since = subscriber.listener.user_id, subscriber.since.position
        return self.standing.hears(event, subscriber.key.topic, user_id, since)


def _only(rooms: dict[UUID, RoomRow], room_id: UUID) -> dict[UUID, RoomRow]:
    return {room_id: rooms[room_id]} if room_id in rooms else {}


def _unless_unreachable(failure: GraphQLError) -> None:
    cause: BaseException | None = failure
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, UNREACHABLE):
        raise cause
