"""Messages: reading a room's history, and what its author does with one."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from models import message as messages
from models import room as rooms
from models import session as sessions
from models.connection import Connection
from models.event import EventKind
from models.ids import new_id
from models.message import Last, MessageRow, MessageSource
from models.room import Standing
from resolvers import door, text
from resolvers.budget import Budget
from resolvers.errors import Code, NotFound, Refused, SignInEnded
from resolvers.operation import Pending, Transaction
from resolvers.viewer import Viewer

END = 2**63 - 1


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Bounds of a page of messages by sequence, exclusive. `limit`: rows per room; `backward`: the newest of them,
    in reverse."""

    limit: int
    after: int = 0
    before: int = END
    backward: bool = False


async def messages_of_rooms(
    connection: Connection, viewer: Viewer, room_ids: Sequence[UUID], page: MessagePage, budget: Budget
) -> list[MessageRow]:
    """The same page of each of these rooms, which the viewer has been given already.

    Raises:
        TooMuch: the budget is spent.
    """
    return await budget.read(
        messages.messages_pages(backward=page.backward),
        connection,
        workspace_id=viewer.workspace_id,
        room_ids=list(room_ids),
        after=page.after,
        before=page.before,
        limit=page.limit,
    )


async def visible_messages(
    connection: Connection, viewer: Viewer, ids: Sequence[UUID], budget: Budget
) -> list[MessageRow]:
    """Those of the named messages that stand in a room of the viewer's.

    Raises:
        TooMuch: the budget is spent.
    """
    return await budget.read(
        messages.messages_by_id,
        connection,
        workspace_id=viewer.workspace_id,
        viewer_id=viewer.user_id,
        ids=list(ids),
    )


async def messages_at(
    connection: Connection, viewer: Viewer, places: Sequence[tuple[UUID, int]], budget: Budget
) -> list[MessageRow]:
    """Messages by room and sequence, of rooms that the viewer has been given already.

    Raises:
        TooMuch: the budget is spent.
    """
    return await budget.read(
        messages.messages_by_sequence,
        connection,
        workspace_id=viewer.workspace_id,
        room_ids=[room_id for room_id, _ in places],
        sequences=[sequence for _, sequence in places],
    )


class Reply(NamedTuple):
    """Which message is answered: none, or one; an id that is no message's is given with None."""

    given: bool = False
    message_id: UUID | None = None


NO_REPLY = Reply()


async def send_message(
    transaction: Transaction,
    viewer: Viewer,
    room_id: UUID | None,
    *,
    body: str,
    in_reply_to: Reply = NO_REPLY,
    idempotency_key: str | None = None,
) -> Pending[MessageRow] | MessageRow:
    """Write into a room. The order of the checks: participant, then the key, then whether the room is archived, and
    the rest. A key that this author used in this room before gives back that first message, whatever else is asked.

    Raises:
        Refused: NOT_FOUND; what is wrong with the key; ROOM_ARCHIVED; what is wrong with the body or the reply.
        Unauthenticated: the sign-in has ended.
    """
    if room_id is None:
        raise NotFound("room_id")
    ground = await _ground(transaction, viewer, room_id, in_reply_to, idempotency_key)
    key = text.idempotency_key(idempotency_key)
    if ground.sent_before is not None:
        return ground.sent_before
    if ground.standing.archived_at is not None:
        raise Refused(Code.ROOM_ARCHIVED, "This room is archived and takes no messages.", "room_id")
    stored = text.message_body(body)
    if in_reply_to.given and ground.answered is None:
        raise NotFound("in_reply_to_id")
    sequence = ground.last.sequence + 1 if ground.last else 1
    transaction.record(EventKind.MESSAGE_ADDED, room_id=room_id, sequence=sequence, user_id=viewer.user_id)
    return await transaction.finish(
        messages.insert_message,
        workspace_id=viewer.workspace_id,
        room_id=room_id,
        sequence=sequence,
        id=new_id(),
        viewer_id=viewer.user_id,
        body=stored,
        source=MessageSource.APP.value,
        not_before=ground.last and ground.last.created_at,
        in_reply_to=ground.answered,
        idempotency_key=key,
    )


async def edit_message(
    transaction: Transaction, viewer: Viewer, message_id: UUID | None, body: str
) -> Pending[MessageRow] | MessageRow:
    """Change the text of one's own message; the same text again changes nothing.

    Raises:
        Refused: as `own_message`; MESSAGE_DELETED; what is wrong with the body.
    """
    message = await own_message(transaction, viewer, message_id)
    if message.deleted_at is not None:
        raise Refused(Code.MESSAGE_DELETED, "This message has been deleted.", "message_id")
    stored = text.message_body(body)
    if stored == message.body:
        return message
    _record(transaction, EventKind.MESSAGE_UPDATED, message)
    return await transaction.finish(messages.edit_message, new_body=stored, **_place(viewer, message))


async def delete_message(
    transaction: Transaction, viewer: Viewer, message_id: UUID | None
) -> Pending[MessageRow] | MessageRow:
    """Wipe one's own message for good; a tombstone keeps its place. Asked twice, done once.

    Raises:
        Refused: as `own_message`.
    """
    message = await own_message(transaction, viewer, message_id)
    if message.deleted_at is not None:
        return message
    _record(transaction, EventKind.MESSAGE_DELETED, message)
    return await transaction.finish(messages.erase_message, **_place(viewer, message))


async def own_message(transaction: Transaction, viewer: Viewer, message_id: UUID | None) -> MessageRow:
    """A message that the viewer wrote, in a room that they are in, whose lock is then held.

    Raises:
        Refused: NOT_FOUND where they can't see it; FORBIDDEN where somebody else wrote it.
        Unauthenticated: the sign-in has ended.
    """
    if message_id is None:
        raise NotFound("message_id")
    connection = transaction.connection
    who = {"workspace_id": viewer.workspace_id, "viewer_id": viewer.user_id}
    lock = await rooms.lock_room_of_message.send(connection, message_id=message_id, **who)
    alive = await sessions.is_signed_in.send(connection, session_id=viewer.session_id, **who)
    message = await messages.messages_by_id.first(connection, ids=[message_id], **who)
    if message is None or await rooms.lock_room_of_message.first_of(lock) is None:
        raise NotFound("message_id")
    if not await sessions.is_signed_in.one_of(alive):
        raise SignInEnded
    if message.author_id != viewer.user_id:
        raise Refused(Code.FORBIDDEN, "Only its author can do this to a message.", "message_id")
    return message


class _Ground(NamedTuple):
    """What a send stands on, read under the room's lock."""

    standing: Standing
    sent_before: MessageRow | None
    last: Last | None
    answered: int | None


async def _ground(
    transaction: Transaction, viewer: Viewer, room_id: UUID, in_reply_to: Reply, idempotency_key: str | None
) -> _Ground:
    """Lock the room, then ask everything at once: one trip. Each question has a snapshot from after the lock, so
    that no message lands behind its author's removal, and none takes a sequence that is taken."""
    connection = transaction.connection
    here = {"workspace_id": viewer.workspace_id, "room_id": room_id}
    lock = await door.lock(transaction, viewer, room_id)
    standing = await rooms.standing.send(connection, viewer_id=viewer.user_id, session_id=viewer.session_id, **here)
    key = None
    # One that is no key was never used; what is wrong with it is told when its turn comes.
    with contextlib.suppress(Refused):
        key = text.idempotency_key(idempotency_key)
    sent_before = await messages.message_by_key.send(connection, viewer_id=viewer.user_id, idempotency_key=key, **here)
    answered = await messages.sequence_by_id.send(connection, id=in_reply_to.message_id, **here)
    last = await messages.last_of_room.first(connection, **here)
    return _Ground(
        door.taking_part(await rooms.lock_room.first_of(lock), await rooms.standing.first_of(standing)),
        await messages.message_by_key.first_of(sent_before),
        last,
        await messages.sequence_by_id.first_of(answered),
    )


def _record(transaction: Transaction, kind: EventKind, message: MessageRow) -> None:
    transaction.record(kind, room_id=message.room_id, sequence=message.sequence, user_id=message.author_id)


def _place(viewer: Viewer, message: MessageRow) -> dict[str, object]:
    return {
        "workspace_id": viewer.workspace_id,
        "room_id": message.room_id,
        "at_sequence": message.sequence,
    }
