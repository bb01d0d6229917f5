"""Read marks and what is unread."""

from collections.abc import Sequence
from uuid import UUID

from models import read_mark as read_marks
from models.connection import Connection
from models.event import EventKind
from models.message import MessageRow
from models.read_mark import Mark
from resolvers.errors import NotFound, SignInEnded
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.viewer import Viewer

# How many marks one transaction tells.
TOLD_AT_ONCE = 10_000


async def mark_room_read(
    transaction: Transaction, viewer: Viewer, room_id: UUID | None, up_to_message_id: UUID | None
) -> UUID:
    """Move the viewer's mark forward to a message; it never goes back. Takes no lock that a sender waits for, and
    is not waited for on the disk: a mark that a crash of the database loses is set again by reading on.

    Raises:
        NotFound: the room is not there or not theirs; the message is not in it.
        Unauthenticated: the sign-in has ended.
    """
    if room_id is None:
        raise NotFound("room_id")
    await transaction.forgo_durability()
    marking = await read_marks.mark_read.one(
        transaction.connection,
        workspace_id=viewer.workspace_id,
        viewer_id=viewer.user_id,
        session_id=viewer.session_id,
        room_id=room_id,
        message_id=up_to_message_id,
    )
    if not marking.takes_part:
        raise NotFound("room_id")
    if not marking.signed_in:
        raise SignInEnded
    if marking.sequence is None:
        raise NotFound("up_to_message_id")
    if marking.moved:
        transaction.leave_untold()
    return room_id


async def tell_moved(process: Process, workspace_id: UUID) -> bool:
    """Put what marks have moved on the line, once; whether there may be more.

    The marks that are told are deleted in the transaction that tells them: none is lost, and none told again.
    """
    return await operate(process, workspace_id, _tell_moved)


async def _tell_moved(transaction: Transaction) -> bool:
    taken = await read_marks.take_untold.all(
        transaction.connection, workspace_id=transaction.workspace_id, limit=TOLD_AT_ONCE
    )
    readers: dict[UUID, dict[UUID, None]] = {}
    for mark in taken:
        readers.setdefault(mark.room_id, {})[mark.user_id] = None
    for room_id, users in readers.items():
        # Two events, since one of their viewers may see both: each has its place, and none is lost between them.
        transaction.record(EventKind.ROOM_READ, room_id=room_id, user_ids=users)
        transaction.record(EventKind.RECEIPTS_UPDATED, room_id=room_id, user_ids=users)
    return len(taken) == TOLD_AT_ONCE


async def tell_what_is_left(process: Process) -> int:
    """Tell what processes have left lying that died before they told it; how many workspaces there were."""
    async with process.pool.connection() as connection:
        left = await read_marks.workspaces_with_untold.all(connection)
    for workspace_id in left:
        while await tell_moved(process, workspace_id):
            pass
    return len(left)


async def latest_marks(connection: Connection, viewer: Viewer, readers: Sequence[tuple[UUID, UUID]]) -> list[Mark]:
    """How far each (room, user) has read. Internal viewers only: the field's mark says so."""
    return await read_marks.latest_marks.all(
        connection,
        workspace_id=viewer.workspace_id,
        room_ids=[room_id for room_id, _ in readers],
        user_ids=[user_id for _, user_id in readers],
    )


async def unread_counts(connection: Connection, viewer: Viewer, room_ids: Sequence[UUID]) -> dict[UUID, int]:
    """What is unread to the viewer in each of these rooms; counts to `UNREAD_LIMIT`."""
    found = await unread_counts_of(connection, viewer.workspace_id, room_ids, [viewer.user_id])
    return {room_id: count for (room_id, _), count in found.items()}


async def first_unread(connection: Connection, viewer: Viewer, room_ids: Sequence[UUID]) -> list[MessageRow]:
    return list((await first_unread_of(connection, viewer.workspace_id, room_ids, [viewer.user_id])).values())


async def unread_counts_of(
    connection: Connection, workspace_id: UUID, room_ids: Sequence[UUID], user_ids: Sequence[UUID]
) -> dict[tuple[UUID, UUID], int]:
    """What is unread to each of several people in each of several rooms that they are in; by room and user."""
    rows = await read_marks.unread_counts.all(
        connection, workspace_id=workspace_id, room_ids=list(room_ids), user_ids=list(user_ids)
    )
    return {(row.room_id, row.user_id): row.unread for row in rows}


async def first_unread_of(
    connection: Connection, workspace_id: UUID, room_ids: Sequence[UUID], user_ids: Sequence[UUID]
) -> dict[tuple[UUID, UUID], MessageRow]:
    """The first message that is unread to each; by room and user."""
    rows = await read_marks.first_unread.all(
        connection, workspace_id=workspace_id, room_ids=list(room_ids), user_ids=list(user_ids)
    )
    return {(row.message.room_id, row.user_id): row.message for row in rows}


async def unread_message_count(connection: Connection, viewer: Viewer) -> int:
    """Over all rooms that are not archived; counts to `UNREAD_LIMIT`."""
    return await read_marks.unread_message_count.one(connection, **_viewer(viewer))


async def unread_room_count(connection: Connection, viewer: Viewer) -> int:
    return await read_marks.unread_room_count.one(connection, **_viewer(viewer))


def _viewer(viewer: Viewer) -> dict[str, UUID]:
    return {"workspace_id": viewer.workspace_id, "viewer_id": viewer.user_id}
