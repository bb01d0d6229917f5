"""How much of the viewer's attention a room has: how far they have read, and whether they get mail about it."""

import strawberry

from resolvers import read_mark
from resolvers import room as rooms
from schema.context import Info
from schema.errors import Given, UserError, mutation, user_errors
from schema.node_id import NodeKind, key_of
from schema.room import Room, room_after


@strawberry.input(description="Turn the viewer's e-mail about a room off or on.")
class SetRoomMutedInput:
    room_id: strawberry.ID = strawberry.field(description="Which room.")
    muted: bool = strawberry.field(description="True for no e-mail about it.")


@strawberry.type(description="What muting gave.")
class SetRoomMutedPayload:
    room: Room | None = strawberry.field(default=None, description="The room, as set.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Move the viewer's read mark.")
class MarkRoomReadInput:
    room_id: strawberry.ID = strawberry.field(description="Which room.")
    up_to_message_id: strawberry.ID = strawberry.field(
        description="The last message that was seen. The mark never moves back, so a late retry does no harm."
    )


@strawberry.type(description="What marking gave.")
class MarkRoomReadPayload:
    room: Room | None = strawberry.field(default=None, description="The room, with what is still unread.")
    user_errors: list[UserError] = user_errors()


@mutation(SetRoomMutedPayload, "Turn the viewer's e-mail about a room off or on. Nobody else learns of it.")
async def set_room_muted(info: Info, input: Given[SetRoomMutedInput]) -> SetRoomMutedPayload | None:
    context = info.context
    room_id = await context.perform(
        lambda transaction: rooms.set_room_muted(
            transaction, context.viewer, key_of(NodeKind.ROOM, input.room_id), input.muted
        )
    )
    return SetRoomMutedPayload(room=await room_after(info, room_id))


@mutation(MarkRoomReadPayload, "Say how far the viewer has read in a room.")
async def mark_room_read(info: Info, input: Given[MarkRoomReadInput]) -> MarkRoomReadPayload | None:
    context = info.context
    room_id = await context.perform(
        lambda transaction: read_mark.mark_room_read(
            transaction,
            context.viewer,
            key_of(NodeKind.ROOM, input.room_id),
            key_of(NodeKind.MESSAGE, input.up_to_message_id),
        )
    )
    return MarkRoomReadPayload(room=await room_after(info, room_id))
