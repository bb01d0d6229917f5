"""What a stream of events gives to whom.

Rights are read at delivery, in the snapshot that the data come from: an event of a room goes to who in that snapshot
is ACTIVE, signed in and a participant. A process that is a second behind would else hand out text that was written
after a removal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol
from uuid import UUID

from models import event as events
from models import message as messages
from models import participant as participants
from models import room as rooms
from models import seat as seats
from models.connection import Connection
from models.event import MEMBERSHIP, EventKind, EventRow, Newest, Position
from models.message import MessageRow
from models.participant import ParticipantRow
from models.room import RoomRow
from models.seat import SeatRow
from models.user import UserKind
from resolvers.errors import CursorExpired, Missing, ParleyError, SignInEnded
from resolvers.process import Process
from resolvers.viewer import Viewer


class End(Enum):
    """How a stream ends for one who listens."""

    DEPARTED = "departed"
    SIGNED_OUT = "signed out"


@dataclass(frozen=True, slots=True)
class RoomTopic:
    """Events of one room: of some kinds, or all that the viewer may see and then their own leaving. Either ends when
    the viewer leaves the room."""

    room_id: UUID
    kinds: frozenset[EventKind] | None = None


@dataclass(frozen=True, slots=True)
class ViewerTopic:
    """Everything that the viewer may see, in every room that they are in, and their coming and going."""

    room_id: None = None


Topic = RoomTopic | ViewerTopic


class Seat(NamedTuple):
    """Somebody who listens to a room, or to all that they are in, by one of their sign-ins."""

    room_id: UUID | None
    user_id: UUID
    session_id: UUID


class Telling(Enum):
    """As what somebody is told of an event."""

    MESSAGE_ADDED = "MessageAdded"
    MESSAGE_UPDATED = "MessageUpdated"
    MESSAGE_DELETED = "MessageDeleted"
    ROOM_UPDATED = "RoomUpdated"
    ROOM_READ = "RoomRead"
    READ_RECEIPT_UPDATED = "ReadReceiptUpdated"
    PARTICIPANT_ADDED = "ParticipantAdded"
    PARTICIPANT_REMOVED = "ParticipantRemoved"
    ROOM_JOINED = "RoomJoined"
    ROOM_LEFT = "RoomLeft"


class Sees(Protocol):
    """What the rules ask of a viewer. Whoever answers alike is told the same."""

    @property
    def is_internal(self) -> bool: ...

    def is_viewer(self, user_id: UUID) -> bool: ...

    def is_among(self, user_ids: Collection[UUID]) -> bool: ...


_TO_EVERYONE = {
    EventKind.MESSAGE_ADDED: Telling.MESSAGE_ADDED,
    EventKind.MESSAGE_UPDATED: Telling.MESSAGE_UPDATED,
    EventKind.MESSAGE_DELETED: Telling.MESSAGE_DELETED,
    EventKind.ROOM_UPDATED: Telling.ROOM_UPDATED,
}
_TO_INTERNAL = {
    EventKind.ROOM_MANAGER_CHANGED: Telling.ROOM_UPDATED,
    EventKind.RECEIPTS_UPDATED: Telling.READ_RECEIPT_UPDATED,
    EventKind.PARTICIPANT_ADDED: Telling.PARTICIPANT_ADDED,
    EventKind.PARTICIPANT_REMOVED: Telling.PARTICIPANT_REMOVED,
}
TOLD = frozenset({*_TO_EVERYONE, *_TO_INTERNAL, EventKind.ROOM_MUTED, EventKind.ROOM_READ})
"""Events of a room of which anybody is told."""


def telling(event: EventRow, topic: Topic, sees: Sees) -> Telling | None:
    """As what a viewer is told of an event of a room that they may hear; None: it is nothing to them.

    One event is at most one thing to each, so that a cursor never stands between two.
    """
    kind = EventKind(event.kind)
    if isinstance(topic, RoomTopic) and topic.kinds is not None and kind not in topic.kinds:
        return None
    if kind in _TO_EVERYONE:
        return _TO_EVERYONE[kind]
    if kind is EventKind.ROOM_MUTED:
        return Telling.ROOM_UPDATED if event.user_id is not None and sees.is_viewer(event.user_id) else None
    if kind is EventKind.ROOM_READ:
        return Telling.ROOM_READ if sees.is_among(event.user_ids or ()) else None
    if kind in MEMBERSHIP and event.user_id is not None and sees.is_viewer(event.user_id):
        if kind is EventKind.PARTICIPANT_REMOVED:
            return Telling.ROOM_LEFT
        if isinstance(topic, ViewerTopic):
            return Telling.ROOM_JOINED
    return _TO_INTERNAL.get(kind) if sees.is_internal else None


@dataclass(slots=True)
class Standing:
    """Who is where in one snapshot."""

    outside: Collection[tuple[UUID | None, UUID]]
    """Those who listen to a room that they are not in, by room and user."""
    changed: Mapping[tuple[UUID, UUID], int]
    """Where the newest coming or going of somebody stands, behind the events that are looked at or among them."""
    _unsettled: set[UUID | None] = field(init=False)
    """Rooms of which that has to be asked for each."""

    def __post_init__(self) -> None:
        self._unsettled = {room_id for room_id, _ in (*self.outside, *self.changed)}

    def all_hear(self, event: EventRow) -> bool:
        """Whether an event goes to everyone who listens to its room, as `hears` would say of each."""
        return event.room_id is not None and event.room_id not in self._unsettled and event.kind not in MEMBERSHIP

    def hears(self, event: EventRow, topic: Topic, user_id: UUID, since: int) -> bool:
        """Whether an event of a room goes to somebody: to who is in it, and only from the membership that is open now.

        `since`: the newest event when they were let in. Who listens to one room and was removed and added again before
        goes on, and has missed nothing; their whole stream ends with a departure that comes later. Who listens to all
        rooms is told of each coming and going, and what stands between is left out.
        """
        if event.room_id is None:
            return False
        whose = event.room_id, user_id
        if leaves(event, user_id):
            return isinstance(topic, ViewerTopic) or event.position > since
        after = event.position if isinstance(topic, ViewerTopic) else max(event.position, since)
        return whose not in self.outside and self.changed.get(whose, 0) <= after


def leaves(event: EventRow, user_id: UUID) -> bool:
    """Whether an event is somebody's own leaving."""
    return event.kind == EventKind.PARTICIPANT_REMOVED and event.user_id == user_id


class Judgement(NamedTuple):
    """Where the line stands, and for each who wants to listen: who they are, or why not."""

    at: Position
    verdicts: list[Viewer | ParleyError]


class Lost(NamedTuple):
    """Seats whose right is gone: because the sign-in has ended, or because they are not in the room."""

    signed_out: set[Seat]
    outside: set[Seat]


def resumed(process: Process, workspace_id: UUID, after: str | None) -> Position | None:
    """The event that a cursor names; None where nothing is resumed.

    Raises:
        Malformed: forged, or of another workspace.
    """
    return None if after is None else process.cursors.open(workspace_id, after)


async def judge(connection: Connection, workspace_id: UUID, asked: Sequence[tuple[Seat, Position | None]]) -> Judgement:
    """Rights, cursors and the line's newest event, for all who come at once; all of one snapshot.

    The verdicts: Unauthenticated; Missing, for a room that is not there or not theirs; CursorExpired.
    """
    newest = await events.newest_event.send(connection, workspace_id=workspace_id)
    standing = await events.positions_that_stand.send(
        connection, workspace_id=workspace_id, positions=[after.position for _, after in asked if after is not None]
    )
    found = {row.number: row for row in await seats.seats.all(connection, **_columns(workspace_id, asked))}
    there = set(await events.positions_that_stand.all_of(standing))
    verdicts = [_verdict(workspace_id, *each, found[number], there) for number, each in enumerate(asked, 1)]
    return Judgement(await events.newest_event.one_of(newest), verdicts)


def _verdict(
    workspace_id: UUID, seat: Seat, after: Position | None, row: SeatRow, there: set[Position]
) -> Viewer | ParleyError:
    if row.kind is None:
        return SignInEnded()
    if seat.room_id is not None and not row.takes_part:
        return Missing()
    if after is not None and after not in there:
        return CursorExpired()
    return Viewer(workspace_id, seat.user_id, seat.session_id, UserKind(row.kind))


async def lost_seats(connection: Connection, workspace_id: UUID, held: Sequence[Seat]) -> Lost:
    """Whose right is gone in this snapshot."""
    rows = await seats.lost_seats.all(connection, **_columns(workspace_id, [(seat, None) for seat in held]))
    lost = Lost(set(), set())
    for row in rows:
        (lost.signed_out if row.kind is None else lost.outside).add(held[row.number - 1])
    return lost


async def people_of(
    connection: Connection, workspace_id: UUID, room_ids: Sequence[UUID], user_ids: Sequence[UUID]
) -> set[tuple[UUID, UUID]]:
    """Who of several people is in which of several rooms, by room and user."""
    rows = await participants.people_of_rooms.all(
        connection, workspace_id=workspace_id, room_ids=list(room_ids), user_ids=list(user_ids)
    )
    return set(rows)


async def changes(
    connection: Connection, workspace_id: UUID, room_ids: Sequence[UUID], after: int
) -> dict[tuple[UUID, UUID], int]:
    """The newest coming or going behind a position of whoever came or went in these rooms."""
    rows = await events.changes_of_membership.all(
        connection, workspace_id=workspace_id, room_ids=list(room_ids), after=after
    )
    return {(row.room_id, row.user_id): row.position for row in rows}


def changes_among(told: Iterable[EventRow]) -> dict[tuple[UUID, UUID], int]:
    """The same of events that are there."""
    return {
        (event.room_id, event.user_id): event.position
        for event in told
        if event.kind in MEMBERSHIP and event.room_id is not None and event.user_id is not None
    }


def _columns(workspace_id: UUID, asked: Sequence[tuple[Seat, Position | None]]) -> dict[str, object]:
    return {
        "workspace_id": workspace_id,
        "room_ids": [seat.room_id for seat, _ in asked],
        "user_ids": [seat.user_id for seat, _ in asked],
        "session_ids": [seat.session_id for seat, _ in asked],
    }


async def newest_of_all(connection: Connection, workspace_ids: Sequence[UUID]) -> list[Newest]:
    """Where the line stands in each of several workspaces, in one statement."""
    return await events.newest_events.all(connection, workspace_ids=list(workspace_ids))


async def read_on(connection: Connection, workspace_id: UUID, own: Position, limit: int) -> list[EventRow]:
    """The next events of the line behind a reader's own.

    Raises:
        CursorExpired: its own event is not there: this is another history of the database.
    """
    rows = await events.events_from.all(connection, workspace_id=workspace_id, position=own.position, limit=limit + 1)
    if not rows or rows[0].at != own:
        raise CursorExpired
    return rows[1:]


class LogPage(NamedTuple):
    """Events of a part of the line, the event that the part ends with, and whether that is the newest."""

    events: list[EventRow]
    end: Position
    is_last: bool


async def log_about(
    connection: Connection,
    workspace_id: UUID,
    start: Position,
    room_ids: Sequence[UUID],
    user_ids: Sequence[UUID],
    *,
    limit: int,
    span: int,
) -> LogPage:
    """What happened behind an event that is there, in these rooms and in those that these users are in: `limit` events
    at the most, of the next `span` of the line."""
    up_to = start.position + span
    ends = await events.end_of_span.send(connection, workspace_id=workspace_id, up_to=up_to)
    found = await events.events_about.all(
        connection,
        workspace_id=workspace_id,
        after=start.position,
        up_to=up_to,
        room_ids=list(room_ids),
        user_ids=list(user_ids),
        limit=limit,
    )
    end = await events.end_of_span.one_of(ends)
    if len(found) == limit and found[-1].position < end.position:
        return LogPage(found, found[-1].at, is_last=False)
    return LogPage(found, Position(end.position, end.stamp), end.is_newest)


async def standing(connection: Connection, workspace_id: UUID, positions: Sequence[Position]) -> set[Position]:
    """Those of the named events that are there."""
    found = await events.positions_that_stand.all(
        connection, workspace_id=workspace_id, positions=[each.position for each in positions]
    )
    return set(found) & set(positions)


async def rooms_of_events(connection: Connection, workspace_id: UUID, room_ids: Sequence[UUID]) -> dict[UUID, RoomRow]:
    """Rooms as everyone in them sees them, without what is a viewer's own. Only for who was found to be in them in the
    same snapshot."""
    rows = await rooms.rooms_of_events.all(connection, workspace_id=workspace_id, ids=list(room_ids))
    return {row.id: row for row in rows}


async def messages_of_events(
    connection: Connection, workspace_id: UUID, told: Sequence[EventRow]
) -> dict[tuple[UUID | None, int | None], MessageRow]:
    """The messages that these events are about, by room and sequence. Only for who is in their rooms."""
    rows = await messages.messages_by_sequence.all(
        connection,
        workspace_id=workspace_id,
        room_ids=[event.room_id for event in told if event.sequence is not None],
        sequences=[event.sequence for event in told if event.sequence is not None],
    )
    return {(row.room_id, row.sequence): row for row in rows}


async def participants_of_events(
    connection: Connection, workspace_id: UUID, told: Sequence[EventRow]
) -> dict[tuple[UUID, UUID], ParticipantRow]:
    """The participants whom these events are about and who are there, by room and user. Only for internal viewers."""
    about = [
        (event.room_id, user_id)
        for event in told
        if event.room_id is not None and event.kind in (EventKind.PARTICIPANT_ADDED, EventKind.RECEIPTS_UPDATED)
        for user_id in (*(event.user_ids or ()), event.user_id)
        if user_id is not None
    ]
    if not about:
        return {}
    rows = await participants.participants_of_pairs.all(
        connection,
        workspace_id=workspace_id,
        room_ids=[room_id for room_id, _ in about],
        user_ids=[user_id for _, user_id in about],
    )
    return {(row.room_id, row.user_id): row for row in rows}


async def muted_for(
    connection: Connection, workspace_id: UUID, room_ids: Sequence[UUID], user_ids: Sequence[UUID]
) -> set[tuple[UUID, UUID]]:
    """Who of several people has muted which of several rooms."""
    rows = await participants.muted_for.all(
        connection, workspace_id=workspace_id, room_ids=list(room_ids), user_ids=list(user_ids)
    )
    return {(row.room_id, row.user_id) for row in rows}
