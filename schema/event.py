"""What has happened, as subscriptions tell it."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.event import EventRow
from models.message import MessageRow
from resolvers.errors import Missing
from schema.context import Info
from schema.message import Message
from schema.message import edge as message_edge
from schema.message import shown as shown_message
from schema.pagination import Edge
from schema.room import Room
from schema.room import shown as shown_room


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


After = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Continue behind this event: a `cursor` of one, or an `eventCursor` of a query. Without it, from now on."
        )
    ),
]


def message_added(event: EventRow, row: MessageRow) -> MessageAdded:
    return MessageAdded(occurred_at=event.occurred_at, event=event, row=row)
