"""Rooms: what a viewer sees of one, and what whoever manages it does."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, overload
from uuid import UUID

import strawberry

from models.room import RoomRow
from resolvers import room as rooms
from resolvers.errors import Malformed, Missing
from resolvers.message import END, MessagePage
from resolvers.page import TimePage
from schema.context import Info
from schema.enums import UserKind
from schema.message import Message, MessageConnection, around, history
from schema.message import shown as shown_message
from schema.node import Node
from schema.node_id import NodeKind, key_of, named_key, node_id
from schema.pagination import (
    After,
    Before,
    Connection,
    Edge,
    First,
    Last,
    connection,
    participants_cursor,
    read_messages_cursor,
    read_participants_cursor,
    read_rooms_cursor,
    rooms_cursor,
    sliced,
    wanted_page,
)
from schema.participant import Participant
from schema.participant import shown as shown_participant
from schema.permissions import VisibleTo
from schema.user import User, author

if TYPE_CHECKING:
    from schema.portal import Portal

Around = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="A message of this room, for the middle of the page. Goes with `first` alone."),
]


@strawberry.type(description="A room in which the firm and its clients talk. Only who is in it sees it.")
class Room(Node):
    name: str = strawberry.field(description="What it is called.")
    created_at: datetime = strawberry.field(description="When it was made.")
    last_activity_at: datetime = strawberry.field(description="When its last message was sent, or when it was made.")
    archived_at: datetime | None = strawberry.field(
        description="When it was archived. It can be read, and takes no messages until it is unarchived."
    )
    row: strawberry.Private[RoomRow]

    @strawberry.field(description="Whether the viewer gets no e-mail about it.")
    async def muted(self, info: Info) -> bool:
        known = self.row.muted
        return await info.context.loaders.muted_by_room.load(self.row.id) if known is None else known

    @strawberry.field(description="Who made it.", extensions=[VisibleTo(UserKind.INTERNAL)])
    async def created_by(self, info: Info) -> User | None:
        return await author(info, self.row.created_by)

    @strawberry.field(
        description="Who manages it: who made it, or who stands in while that account is not active.",
        extensions=[VisibleTo(UserKind.INTERNAL)],
    )
    async def managed_by(self, info: Info) -> User | None:
        manager = await info.context.loaders.managers_by_room.load(self.row.id)
        return None if manager is None else await author(info, manager)

    @strawberry.field(description="The portal that it is linked to.", extensions=[VisibleTo(UserKind.INTERNAL)])
    async def portal(self, info: Info) -> Annotated["Portal", strawberry.lazy("schema.portal")] | None:
        from schema import portal

        if self.row.portal_id is None:
            return None
        return portal.shown(await info.context.loaders.visible_portals.load(self.row.portal_id))

    @strawberry.field(description="Who is in it, longest there first.", extensions=[VisibleTo(UserKind.INTERNAL)])
    async def participants(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Participant] | None:
        loaders = info.context.loaders
        part = sliced(first, after, last, before)
        page = wanted_page(TimePage, part, lambda cursor: read_participants_cursor(cursor, self.row.id))
        return connection(
            await loaders.participants_by_room(page).load(self.row.id),
            part,
            node=shown_participant,
            cursor=lambda row: participants_cursor(row.room_id, row.added_at, row.id),
            count=lambda: loaders.participant_counts_by_room.load(self.row.id),
        )

    @strawberry.field(
        description=(
            "Its history, oldest to newest: the newest 50 where nothing else is asked for. "
            "With `around`, the page in whose middle a message stands."
        )
    )
    async def messages(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        around: Around = strawberry.UNSET,
    ) -> MessageConnection:
        middle = None if around is strawberry.UNSET else around
        page = await self._message_page(info, first, after, last, before, middle)
        rows = await info.context.loaders.messages_by_room(page).load(self.row.id)
        return history(rows, page, self.row.last_sequence)

    async def _message_page(
        self, info: Info, first: Any, after: Any, last: Any, before: Any, middle: str | None
    ) -> MessagePage:
        part = sliced(first, after, last, before, newest=middle is None)
        if middle is None:
            start = read_messages_cursor(part.after, self.row.id)
            end = read_messages_cursor(part.before, self.row.id)
            return MessagePage(part.size + 1, start or 0, END if end is None else end, part.backward)
        if part.backward or part.after is not None or part.before is not None:
            raise Malformed("`around` goes with `first` alone.")
        message_id = key_of(NodeKind.MESSAGE, middle)
        if message_id is None:
            raise Malformed("`around` is not the id of a message.")
        row = await info.context.loaders.visible_messages.load(message_id)
        if row is None or row.room_id != self.row.id:
            raise Missing
        return around(row.sequence, part.size, self.row.last_sequence)

    @strawberry.field(description="Its newest message; a deleted one counts.")
    async def last_message(self, info: Info) -> Message | None:
        if not self.row.last_sequence:
            return None
        place = self.row.id, self.row.last_sequence
        return shown_message(await info.context.loaders.messages_by_sequence.load(place))

    @strawberry.field(description="Where the “new” line goes: the first message that is unread to the viewer.")
    async def first_unread_message(self, info: Info) -> Message | None:
        return shown_message(await info.context.loaders.first_unread_by_room.load(self.row.id))

    @strawberry.field(
        description=(
            "Messages by others after the viewer's read mark and joining, deleted ones left out; counts to 1,000."
        )
    )
    async def unread_count(self, info: Info) -> int:
        return await info.context.loaders.unread_counts_by_room.load(self.row.id)

    @strawberry.field(description="Whether the viewer adds and removes people, renames, archives and links.")
    async def viewer_can_manage(self, info: Info) -> bool:
        context = info.context
        if context.viewer_kind is UserKind.CLIENT:
            return False
        manager = await context.loaders.managers_by_room.load(self.row.id)
        return manager is not None and context.is_viewer(manager)

    @strawberry.field(
        description=(
            "Where “now” is: subscribe behind it, and nothing falls between history and live. "
            "Sealed, and different each time."
        )
    )
    async def event_cursor(self, info: Info) -> str:
        return await info.context.event_cursor()


@overload
def shown(row: RoomRow) -> Room: ...
@overload
def shown(row: None) -> None: ...
def shown(row: RoomRow | None) -> Room | None:
    return row and Room(
        id=node_id(NodeKind.ROOM, row.id),
        name=row.name,
        created_at=row.created_at,
        last_activity_at=row.last_activity_at,
        archived_at=row.archived_at,
        row=row,
    )


def edge(row: RoomRow) -> Edge[Room]:
    return Edge(cursor=cursor(row), node=shown(row))


def cursor(row: RoomRow) -> str:
    return rooms_cursor(row.last_activity_at, row.id)


async def room_after(info: Info, room_id: UUID) -> Room | None:
    """A room as the viewer sees it after a mutation; null where they are not in it any more."""
    return shown(await info.context.loaders.rooms.load(room_id))


@strawberry.field(description="A room; null when it does not exist or the viewer is not in it: the two look the same.")
async def room(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The room's id.")]
) -> Room | None:
    context = info.context
    _ = context.viewer
    key = key_of(NodeKind.ROOM, id)
    return None if key is None else shown(await context.loaders.rooms.load(key))


@strawberry.input(description="Which of the viewer's rooms to list.")
class RoomFilter:
    query: str | None = strawberry.field(
        default=strawberry.UNSET, description="Only rooms with this in their name, whatever its case."
    )
    archived: bool | None = strawberry.field(
        default=False, description="False: rooms in use. True: archived ones. Null: both."
    )
    portal_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only rooms that are linked to this portal. For the firm's own people: to others it is FORBIDDEN.",
    )


@strawberry.field(name="rooms", description="The viewer's rooms, latest message activity first.")
async def rooms_field(
    info: Info,
    first: First = strawberry.UNSET,
    after: After = strawberry.UNSET,
    last: Last = strawberry.UNSET,
    before: Before = strawberry.UNSET,
    filter: Annotated[
        RoomFilter | None, strawberry.argument(description="Which rooms; those in use where none is given.")
    ] = strawberry.UNSET,
) -> Connection[Room] | None:
    context = info.context
    viewer = context.viewer
    part = sliced(first, after, last, before)
    wanted = filter or RoomFilter()
    filters: dict[str, Any] = {
        "query": wanted.query or None,
        "archived": wanted.archived,
        "portal_id": named_key(NodeKind.PORTAL, wanted.portal_id),
    }
    page = wanted_page(TimePage, part, read_rooms_cursor)
    return connection(
        await context.read(lambda reader: rooms.rooms_page(reader, viewer, page, **filters)),
        part,
        node=shown,
        cursor=cursor,
        count=lambda: context.read(lambda reader: rooms.rooms_count(reader, viewer, **filters)),
    )
