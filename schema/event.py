"""What has happened, as subscriptions tell it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from models.event import EventRow
from models.message import MessageRow
from models.participant import ParticipantRow
from resolvers.errors import Missing
from resolvers.stream import Telling
from schema.context import Info
from schema.message import Message
from schema.message import edge as message_edge
from schema.message import shown as shown_message
from schema.node_id import NodeKind, node_id
from schema.pagination import Edge
from schema.participant import Participant
from schema.participant import shown as shown_participant
from schema.room import Room
from schema.room import shown as shown_room
from schema.user import User, author


@strawberry.interface(description="Something that has happened. It carries state as it is when it is delivered.")
class Event:
    occurred_at: datetime = strawberry.field(description="When it happened.")
    event: strawberry.Private[EventRow]

    @strawberry.field(
        description=(
            "Give it back as `after` to continue exactly behind this event, on any server, after any interruption. "
            "Sealed, and different each time."
        )
    )
    def cursor(self, info: Info) -> str:
        return info.context.cursor(self.event.at)


@strawberry.interface(description="Something that has happened in a room.")
class RoomEvent(Event):
    @strawberry.field(description="The room.")
    async def room(self, info: Info) -> Room:
        assert self.event.room_id is not None, "it happened in a room"
        row = await info.context.loaders.rooms.load(self.event.room_id)
        if row is None:
            raise Missing
        return shown_room(row)


@strawberry.type(description="A message was sent.")
class MessageAdded(RoomEvent):
    row: strawberry.Private[MessageRow]

    @strawberry.field(description="The message, as it reads when this is delivered.")
    def message(self) -> Message:
        return shown_message(self.row)

    @strawberry.field(description="The same with its cursor, ready to append to Room.messages.")
    def message_edge(self) -> Edge[Message]:
        return message_edge(self.row)


@strawberry.type(description="A message was edited, or a thumbnail of it is there.")
class MessageUpdated(RoomEvent):
    row: strawberry.Private[MessageRow]

    @strawberry.field(description="The message, as it reads when this is delivered.")
    def message(self) -> Message:
        return shown_message(self.row)


@strawberry.type(description="A message was deleted: its text is gone, its place is still there.")
class MessageDeleted(RoomEvent):
    row: strawberry.Private[MessageRow]

    @strawberry.field(description="The message without its text.")
    def message(self) -> Message:
        return shown_message(self.row)


@strawberry.type(description="Something of the room that the viewer can see has changed.")
class RoomUpdated(RoomEvent):
    pass


@strawberry.type(
    description="The viewer's own read mark has moved, by any of their devices. Some of several moves may be left out."
)
class RoomRead(RoomEvent):
    pass


@strawberry.type(
    description="People have read on. Only for the firm's own people; some of several moves may be left out."
)
class ReadReceiptUpdated(RoomEvent):
    rows: strawberry.Private[list[ParticipantRow]]

    @strawberry.field(description="Whose read marks have moved.")
    def participants(self) -> list[Participant]:
        return [shown_participant(row) for row in self.rows]


@strawberry.type(description="Somebody was added to the room. Only for the firm's own people.")
class ParticipantAdded(RoomEvent):
    row: strawberry.Private[ParticipantRow]

    @strawberry.field(description="Who is in the room now.")
    def participant(self) -> Participant:
        return shown_participant(self.row)


@strawberry.type(description="Somebody was removed from the room, or left it. Only for the firm's own people.")
class ParticipantRemoved(RoomEvent):
    @strawberry.field(description="Who is not in the room any more.")
    async def user(self, info: Info) -> User:
        assert self.event.user_id is not None, "somebody left"
        return await author(info, self.event.user_id)


@strawberry.type(description="The viewer was added to a room; what happens in it follows. Only in `viewerEvents`.")
class RoomJoined(RoomEvent):
    pass


@strawberry.type(description="The viewer was removed from a room, or left it: nothing of it can be read any more.")
class RoomLeft(Event):
    @strawberry.field(description="Which room it was.")
    def room_id(self) -> strawberry.ID:
        assert self.event.room_id is not None, "it happened in a room"
        return node_id(NodeKind.ROOM, self.event.room_id)


# Reached by their interface alone.
TYPES = [
    MessageUpdated,
    MessageDeleted,
    RoomUpdated,
    RoomRead,
    ReadReceiptUpdated,
    ParticipantAdded,
    ParticipantRemoved,
    RoomJoined,
    RoomLeft,
]

After = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Continue behind this event: a `cursor` of one, or an `eventCursor` of a query. Without it, from now on."
        )
    ),
]


@dataclass(frozen=True, slots=True)
class Subjects:
    """What events are about, as it stands in one snapshot."""

    messages: Mapping[tuple[UUID | None, int | None], MessageRow]
    participants: Mapping[tuple[UUID, UUID], ParticipantRow]


def told(event: EventRow, telling: Telling, subjects: Subjects) -> Event | None:
    """An event as it is told; None where what it is about is gone: a later event tells that."""
    return _TOLD[telling](event, subjects)


def _of_message(made: type[MessageAdded] | type[MessageUpdated] | type[MessageDeleted]) -> "_Make":
    def make(event: EventRow, subjects: Subjects) -> Event | None:
        row = subjects.messages[event.room_id, event.sequence]
        return made(occurred_at=event.occurred_at, event=event, row=row)

    return make


def _plain(made: type[Event]) -> "_Make":
    return lambda event, _: made(occurred_at=event.occurred_at, event=event)


def _receipts(event: EventRow, subjects: Subjects) -> Event | None:
    assert event.room_id is not None, "it happened in a room"
    there = [subjects.participants.get((event.room_id, user_id)) for user_id in event.user_ids or ()]
    rows = [row for row in there if row is not None]
    return ReadReceiptUpdated(occurred_at=event.occurred_at, event=event, rows=rows) if rows else None


def _participant_added(event: EventRow, subjects: Subjects) -> Event | None:
    assert event.room_id is not None, "it happened in a room"
    assert event.user_id is not None, "somebody came"
    row = subjects.participants.get((event.room_id, event.user_id))
    return row and ParticipantAdded(occurred_at=event.occurred_at, event=event, row=row)


_Make = Callable[[EventRow, Subjects], Event | None]
_TOLD: dict[Telling, _Make] = {
    Telling.MESSAGE_ADDED: _of_message(MessageAdded),
    Telling.MESSAGE_UPDATED: _of_message(MessageUpdated),
    Telling.MESSAGE_DELETED: _of_message(MessageDeleted),
    Telling.ROOM_UPDATED: _plain(RoomUpdated),
    Telling.ROOM_READ: _plain(RoomRead),
    Telling.READ_RECEIPT_UPDATED: _receipts,
    Telling.PARTICIPANT_ADDED: _participant_added,
    Telling.PARTICIPANT_REMOVED: _plain(ParticipantRemoved),
    Telling.ROOM_JOINED: _plain(RoomJoined),
    Telling.ROOM_LEFT: _plain(RoomLeft),
}
