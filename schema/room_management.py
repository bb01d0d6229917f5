"""Making rooms, and what whoever manages one does with it."""

import strawberry

from resolvers import room as rooms
from schema.context import Info
from schema.errors import Given, UserError, mutation, user_errors
from schema.node_id import NodeKind, key_of, named_key
from schema.pagination import Edge
from schema.room import Room, edge, room_after


@strawberry.input(description="Make a room.")
class CreateRoomInput:
    name: str = strawberry.field(description="1 to 200 characters.")
    participant_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Who is in it from the start, beside the viewer."
    )
    portal_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The portal that it is linked to from the start; none by default."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="1 to 200 characters of the client's choice; the same key gives back the first room, for ever.",
    )


@strawberry.type(description="What making a room gave.")
class CreateRoomPayload:
    room: Room | None = strawberry.field(
        default=None, description="The room; with a key that was used before, the first one."
    )
    room_edge: Edge[Room] | None = strawberry.field(
        default=None, description="The same with its cursor, ready to put in front of Query.rooms."
    )
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Give a room another name.")
class RenameRoomInput:
    room_id: strawberry.ID = strawberry.field(description="Which room.")
    name: str = strawberry.field(description="1 to 200 characters.")


@strawberry.type(description="What renaming gave.")
class RenameRoomPayload:
    room: Room | None = strawberry.field(default=None, description="The room, as it is now called.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Link a room to a portal, or to none.")
class LinkRoomToPortalInput:
    room_id: strawberry.ID = strawberry.field(description="Which room.")
    portal_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Which portal; with null, or left out, the room is linked to none."
    )


@strawberry.type(description="What linking gave.")
class LinkRoomToPortalPayload:
    room: Room | None = strawberry.field(default=None, description="The room, as it is now linked.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Archive a room.")
class ArchiveRoomInput:
    room_id: strawberry.ID = strawberry.field(description="Which room.")


@strawberry.type(description="What archiving gave.")
class ArchiveRoomPayload:
    room: Room | None = strawberry.field(default=None, description="The room, archived.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Take a room out of the archive.")
class UnarchiveRoomInput:
    room_id: strawberry.ID = strawberry.field(description="Which room.")


@strawberry.type(description="What unarchiving gave.")
class UnarchiveRoomPayload:
    room: Room | None = strawberry.field(default=None, description="The room, in use again.")
    user_errors: list[UserError] = user_errors()


@mutation(CreateRoomPayload, "Make a room. The firm's own people do, and are its first participant and manage it.")
async def create_room(info: Info, input: Given[CreateRoomInput]) -> CreateRoomPayload | None:
    context = info.context
    room_id = await context.perform(
        lambda transaction: rooms.create_room(
            transaction,
            context.viewer,
            name=input.name,
            participant_ids=[key_of(NodeKind.USER, user_id) for user_id in input.participant_ids],
            portal_id=named_key(NodeKind.PORTAL, input.portal_id),
            idempotency_key=None if input.idempotency_key is strawberry.UNSET else input.idempotency_key,
        )
    )
    row = await context.loaders.rooms.load(room_id)
    if row is None:
        return CreateRoomPayload()
    made = edge(row)
    return CreateRoomPayload(room=made.node, room_edge=made)


@mutation(RenameRoomPayload, "Give a room that the viewer manages another name.")
async def rename_room(info: Info, input: Given[RenameRoomInput]) -> RenameRoomPayload | None:
    context = info.context
    room_id = await context.perform(
        lambda transaction: rooms.rename_room(
            transaction, context.viewer, key_of(NodeKind.ROOM, input.room_id), input.name
        )
    )
    return RenameRoomPayload(room=await room_after(info, room_id))


@mutation(
    LinkRoomToPortalPayload,
    "Link a room that the viewer manages to a portal, or to none. Nobody joins or leaves by it; no client sees it.",
)
async def link_room_to_portal(info: Info, input: Given[LinkRoomToPortalInput]) -> LinkRoomToPortalPayload | None:
    context = info.context
    room_id = await context.perform(
        lambda transaction: rooms.link_room_to_portal(
            transaction,
            context.viewer,
            key_of(NodeKind.ROOM, input.room_id),
            named_key(NodeKind.PORTAL, input.portal_id),
        )
    )
    return LinkRoomToPortalPayload(room=await room_after(info, room_id))


@mutation(ArchiveRoomPayload, "Archive a room that the viewer manages.")
async def archive_room(info: Info, input: Given[ArchiveRoomInput]) -> ArchiveRoomPayload | None:
    context = info.context
    room_id = await context.perform(
        lambda transaction: rooms.archive_room(transaction, context.viewer, key_of(NodeKind.ROOM, input.room_id))
    )
    return ArchiveRoomPayload(room=await room_after(info, room_id))


@mutation(UnarchiveRoomPayload, "Take a room that the viewer manages out of the archive.")
async def unarchive_room(info: Info, input: Given[UnarchiveRoomInput]) -> UnarchiveRoomPayload | None:
    context = info.context
    room_id = await context.perform(
        lambda transaction: rooms.unarchive_room(transaction, context.viewer, key_of(NodeKind.ROOM, input.room_id))
    )
    return UnarchiveRoomPayload(room=await room_after(info, room_id))
