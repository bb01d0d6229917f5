"""Messages: a room's history, and writing into it."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, overload

import strawberry

from models.message import MessageRow
from resolvers import message as messages
from resolvers.errors import Missing
from resolvers.message import END, MessagePage, Reply
from schema.context import Info
from schema.enums import MessageSource
from schema.errors import Given, UserError, mutation, user_errors
from schema.node import Node
from schema.node_id import NodeKind, key_of, node_id
from schema.pagination import Edge, PageInfo, messages_cursor, page_info
from schema.user import User, author

if TYPE_CHECKING:
    from schema.room import Room


@strawberry.type(description="A message in a room.")
class Message(Node):
    sequence: int = strawberry.field(description="1, 2, 3 … in each room, without gaps: the order that everyone sees.")
    body: str | None = strawberry.field(description="Its text, plain; null once it is deleted.")
    source: MessageSource = strawberry.field(description="How it came in.")
    created_at: datetime = strawberry.field(description="When it was sent.")
    edited_at: datetime | None = strawberry.field(description="When its author last changed it.")
    deleted_at: datetime | None = strawberry.field(
        description="When its author deleted it. What is left is a tombstone that keeps its place."
    )
    row: strawberry.Private[MessageRow]

    @strawberry.field(description="The room it stands in.")
    async def room(self, info: Info) -> Annotated["Room", strawberry.lazy("schema.room")]:
        from schema.room import shown as shown_room

        row = await info.context.loaders.rooms.load(self.row.room_id)
        if row is None:
            # The viewer has left it since the message was given to them.
            raise Missing
        return shown_room(row)

    @strawberry.field(description="Who wrote it.")
    async def author(self, info: Info) -> User:
        return await author(info, self.row.author_id)

    @strawberry.field(description="The message of the same room that it answers.")
    async def in_reply_to(self, info: Info) -> "Message | None":
        if self.row.in_reply_to is None:
            return None
        place = self.row.room_id, self.row.in_reply_to
        return shown(await info.context.loaders.messages_by_sequence.load(place))

    @strawberry.field(
        description="The author's own key, to match an optimistic message with its echo; null for everyone else."
    )
    def idempotency_key(self, info: Info) -> str | None:
        return self.row.idempotency_key if info.context.is_viewer(self.row.author_id) else None

    @strawberry.field(description="Whether the viewer may change its text.")
    def viewer_can_edit(self, info: Info) -> bool:
        return self.row.deleted_at is None and info.context.is_viewer(self.row.author_id)

    @strawberry.field(description="Whether the viewer may delete it.")
    def viewer_can_delete(self, info: Info) -> bool:
        return self.row.deleted_at is None and info.context.is_viewer(self.row.author_id)


@strawberry.type(description="A page of a room's messages, oldest to newest.")
class MessageConnection:
    edges: list[Edge[Message]] = strawberry.field(description="The page, each with its cursor.")
    nodes: list[Message] = strawberry.field(description="The page, without cursors.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the history.")


@overload
def shown(row: MessageRow) -> Message: ...
@overload
def shown(row: None) -> None: ...
@overload
def shown(row: MessageRow | None) -> Message | None: ...
def shown(row: MessageRow | None) -> Message | None:
    return row and Message(
        id=node_id(NodeKind.MESSAGE, row.id),
        sequence=row.sequence,
        body=row.body,
        source=MessageSource(row.source),
        created_at=row.created_at,
        edited_at=row.edited_at,
        deleted_at=row.deleted_at,
        row=row,
    )


def edge(row: MessageRow) -> Edge[Message]:
    return Edge(cursor=messages_cursor(row.room_id, row.sequence), node=shown(row))


def history(rows: list[MessageRow], page: MessagePage, last_sequence: int) -> MessageConnection:
    """A page of messages from its rows, which are one more than the page where there is more. Sequences have no gaps,
    so what stands before and behind a page is told from its ends."""
    kept = rows[: page.limit - 1]
    if page.backward:
        kept.reverse()
    edges = [edge(row) for row in kept]
    if kept:
        has_previous, has_next = kept[0].sequence > 1, kept[-1].sequence < last_sequence
    else:
        more = len(rows) > len(kept)
        has_previous = last_sequence > 0 and (page.after > 0 or (more and page.backward))
        has_next = page.before <= last_sequence or (more and not page.backward)
    return MessageConnection(
        edges=edges, nodes=[each.node for each in edges], page_info=page_info(edges, has_previous, has_next)
    )


def around(sequence: int, size: int, last_sequence: int) -> MessagePage:
    """The page of `size` messages in whose middle a message stands: as many before it as behind it, or one less. Near
    an end of the history the page is still full, as far as there are messages."""
    start = min(sequence - 1 - (size - 1) // 2, last_sequence - size)
    return MessagePage(limit=size + 1, after=max(start, 0), before=END)


@strawberry.input(description="Write into a room.")
class SendMessageInput:
    room_id: strawberry.ID = strawberry.field(description="Where to.")
    body: str = strawberry.field(
        default="",
        description="Plain text of 1 to 10,000 characters after trimming; 20,000 with the white space around it.",
    )
    in_reply_to_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The message of the same room that it answers."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "1 to 200 characters of the client's choice. The same key by the same author in the same room gives back "
            "the first message, for ever, so that a send whose answer was lost can be sent again."
        ),
    )


@strawberry.type(description="What sending gave.")
class SendMessagePayload:
    message: Message | None = strawberry.field(
        default=None, description="The message; with a key that was used before, the first one."
    )
    message_edge: Edge[Message] | None = strawberry.field(
        default=None, description="The same with its cursor, ready to append to Room.messages."
    )
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Change the text of one's own message.")
class EditMessageInput:
    message_id: strawberry.ID = strawberry.field(description="Which message.")
    body: str = strawberry.field(description="The new text, under the same rules.")


@strawberry.type(description="What editing gave.")
class EditMessagePayload:
    message: Message | None = strawberry.field(default=None, description="The message, as it now reads.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Delete one's own message.")
class DeleteMessageInput:
    message_id: strawberry.ID = strawberry.field(description="Which message.")


@strawberry.type(description="What deleting gave.")
class DeleteMessagePayload:
    message: Message | None = strawberry.field(default=None, description="The tombstone that keeps its place.")
    user_errors: list[UserError] = user_errors()


@mutation(SendMessagePayload, "Write into a room that the viewer is in.")
async def send_message(info: Info, input: Given[SendMessageInput]) -> SendMessagePayload | None:
    context = info.context
    answered = input.in_reply_to_id
    reply = Reply(True, key_of(NodeKind.MESSAGE, answered)) if answered else Reply(answered == "")
    row = await context.perform(
        lambda transaction: messages.send_message(
            transaction,
            context.viewer,
            key_of(NodeKind.ROOM, input.room_id),
            body=input.body,
            in_reply_to=reply,
            idempotency_key=None if input.idempotency_key is strawberry.UNSET else input.idempotency_key,
        )
    )
    made = edge(row)
    return SendMessagePayload(message=made.node, message_edge=made)


@mutation(EditMessagePayload, "Change the text of a message that the viewer wrote.")
async def edit_message(info: Info, input: Given[EditMessageInput]) -> EditMessagePayload | None:
    context = info.context
    row = await context.perform(
        lambda transaction: messages.edit_message(
            transaction, context.viewer, key_of(NodeKind.MESSAGE, input.message_id), input.body
        )
    )
    return EditMessagePayload(message=shown(row))


@mutation(DeleteMessagePayload, "Wipe a message that the viewer wrote, for good. Its place in the order stays.")
async def delete_message(info: Info, input: Given[DeleteMessageInput]) -> DeleteMessagePayload | None:
    context = info.context
    row = await context.perform(
        lambda transaction: messages.delete_message(
            transaction, context.viewer, key_of(NodeKind.MESSAGE, input.message_id)
        )
    )
    return DeleteMessagePayload(message=shown(row))
