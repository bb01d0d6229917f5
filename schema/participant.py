"""Participants: who is in a room. For the firm's own people only."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, overload

import strawberry

from models.participant import ParticipantRow
from resolvers import participant as participants
from schema.context import Info
from schema.errors import Given, UserError, mutation, user_errors
from schema.message import Message
from schema.message import shown as shown_message
from schema.node import Node
from schema.node_id import NodeKind, key_of, node_id
from schema.user import User, author

if TYPE_CHECKING:
    from schema.room import Room


@strawberry.type(description="Somebody who is in a room, and since when.")
class Participant(Node):
    added_at: datetime = strawberry.field(description="When they were added.")
    row: strawberry.Private[ParticipantRow]

    @strawberry.field(description="Who is in the room.")
    async def user(self, info: Info) -> User:
        return await author(info, self.row.user_id)

    @strawberry.field(description="Who added them; null for who made the room.")
    async def added_by(self, info: Info) -> User | None:
        return None if self.row.added_by is None else await author(info, self.row.added_by)

    @strawberry.field(description="When they last moved their read mark; null when they never did.")
    async def last_read_at(self, info: Info) -> datetime | None:
        mark = await info.context.loaders.latest_marks_by_reader.load((self.row.room_id, self.row.user_id))
        return mark and mark.read_at

    @strawberry.field(description="How far they have read.")
    async def last_read_message(self, info: Info) -> Message | None:
        loaders = info.context.loaders
        mark = await loaders.latest_marks_by_reader.load((self.row.room_id, self.row.user_id))
        if mark is None:
            return None
        return shown_message(await loaders.messages_by_sequence.load((mark.room_id, mark.sequence)))


@overload
def shown(row: ParticipantRow) -> Participant: ...
@overload
def shown(row: None) -> None: ...
def shown(row: ParticipantRow | None) -> Participant | None:
    return row and Participant(id=node_id(NodeKind.PARTICIPANT, row.id), added_at=row.added_at, row=row)


@strawberry.input(description="Add people to a room.")
class AddParticipantsInput:
    room_id: strawberry.ID = strawberry.field(description="Which room.")
    user_ids: list[strawberry.ID] = strawberry.field(
        description=("Whom to add: up to 5,000 people with an active account. All of them are added, or none.")
    )


@strawberry.type(description="What adding gave.")
class AddParticipantsPayload:
    room: Annotated["Room", strawberry.lazy("schema.room")] | None = strawberry.field(
        default=None, description="The room."
    )
    participants: list[Participant] | None = strawberry.field(
        default=None, description="Those who were named, each once; who was there already is among them."
    )
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Take somebody out of a room.")
class RemoveParticipantInput:
    room_id: strawberry.ID = strawberry.field(description="Which room.")
    user_id: strawberry.ID = strawberry.field(description="Whom; who made the room can't be removed from it.")


@strawberry.type(description="What removing gave.")
class RemoveParticipantPayload:
    room: Annotated["Room", strawberry.lazy("schema.room")] | None = strawberry.field(
        default=None, description="The room; null when the viewer took themself out."
    )
    removed_user_id: strawberry.ID | None = strawberry.field(default=None, description="Who is not in it any more.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Leave a room.")
class LeaveRoomInput:
    room_id: strawberry.ID = strawberry.field(description="Which room; who made it can't leave it.")


@strawberry.type(description="What leaving gave.")
class LeaveRoomPayload:
    left_room_id: strawberry.ID | None = strawberry.field(
        default=None, description="The room that the viewer is not in any more."
    )
    user_errors: list[UserError] = user_errors()


@mutation(AddParticipantsPayload, "Add people to a room that the viewer manages: all of them or none.")
async def add_participants(info: Info, input: Given[AddParticipantsInput]) -> AddParticipantsPayload | None:
    from schema.room import room_after

    context = info.context
    room_id, rows = await context.perform(
        lambda transaction: participants.add_participants(
            transaction,
            context.viewer,
            key_of(NodeKind.ROOM, input.room_id),
            [key_of(NodeKind.USER, user_id) for user_id in input.user_ids],
        )
    )
    return AddParticipantsPayload(room=await room_after(info, room_id), participants=[shown(row) for row in rows])


@mutation(RemoveParticipantPayload, "Take somebody out of a room that the viewer manages.")
async def remove_participant(info: Info, input: Given[RemoveParticipantInput]) -> RemoveParticipantPayload | None:
    from schema.room import room_after

    context = info.context
    room_id, user_id = await context.perform(
        lambda transaction: participants.remove_participant(
            transaction,
            context.viewer,
            key_of(NodeKind.ROOM, input.room_id),
            key_of(NodeKind.USER, input.user_id),
        )
    )
    return RemoveParticipantPayload(
        room=await room_after(info, room_id), removed_user_id=node_id(NodeKind.USER, user_id)
    )


@mutation(LeaveRoomPayload, "Leave a room that somebody else made.")
async def leave_room(info: Info, input: Given[LeaveRoomInput]) -> LeaveRoomPayload | None:
    context = info.context
    room_id = await context.perform(
        lambda transaction: participants.leave_room(transaction, context.viewer, key_of(NodeKind.ROOM, input.room_id))
    )
    return LeaveRoomPayload(left_room_id=node_id(NodeKind.ROOM, room_id))
