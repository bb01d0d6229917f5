"""The one door to rooms: finding one is the permission to see it.

Queries, mutations, subscriptions, mail and files come to a room through here, or through a statement of `models/` that
joins the viewer's own participation. To everyone who is not in it, whatever their kind, a room does not exist: the
answer is that for an id that never was, found by the same statements in the same order, so that neither text, code
nor time tells the two apart.
"""

from collections.abc import Sequence
from uuid import UUID

from models import room as rooms
from models import session as sessions
from models.connection import Connection, Cursor
from models.room import RoomRow, Standing
from resolvers.errors import Code, NotFound, Refused, SignInEnded
from resolvers.operation import Transaction
from resolvers.viewer import Viewer, internal_only


async def visible_rooms(connection: Connection, viewer: Viewer, ids: Sequence[UUID]) -> list[RoomRow]:
    """Those of the named rooms in which the viewer takes part. To everyone else, whatever their kind, a room does
    not exist, and looks like an id that never did."""
    return await rooms.rooms_by_id.all(
        connection, workspace_id=viewer.workspace_id, viewer_id=viewer.user_id, ids=list(ids)
    )


async def still_signed_in(transaction: Transaction, viewer: Viewer) -> None:
    """For what needs no room: an operation that comes behind the end of its sign-in, in the same document say, does
    nothing. Whatever asks for a room reads it with the room.

    Raises:
        Unauthenticated: the sign-in has ended.
    """
    await signed_in_still(transaction.connection, viewer)


async def signed_in_still(connection: Connection, viewer: Viewer) -> None:
    """The same of what is done outside a transaction, because it takes long: the transaction asks again.

    Raises:
        Unauthenticated: the sign-in has ended.
    """
    if not await sessions.is_signed_in.one(
        connection,
        workspace_id=viewer.workspace_id,
        viewer_id=viewer.user_id,
        session_id=viewer.session_id,
    ):
        raise SignInEnded


async def managed_room(transaction: Transaction, viewer: Viewer, room_id: UUID | None) -> tuple[UUID, Standing]:
    """A room that the viewer manages, locked. The checks go kind, room, right: a client learns nothing of a room
    from a management mutation, not even whether it is there.

    Raises:
        Refused: FORBIDDEN for a client and for who does not manage it; NOT_FOUND.
        Unauthenticated: the sign-in has ended.
    """
    internal_only(viewer)
    room, standing = await locked_room(transaction, viewer, room_id)
    manages(viewer, standing)
    return room, standing


async def locked_room(transaction: Transaction, viewer: Viewer, room_id: UUID | None) -> tuple[UUID, Standing]:
    """A room that the viewer takes part in, locked; how they stand is read after the lock, with a fresh snapshot.

    Raises:
        NotFound: it is not there, or not theirs.
        Unauthenticated: the sign-in has ended.
    """
    if room_id is None:
        raise NotFound("room_id")
    locked = await lock(transaction, viewer, room_id)
    standing = await rooms.standing.first(
        transaction.connection,
        workspace_id=viewer.workspace_id,
        viewer_id=viewer.user_id,
        session_id=viewer.session_id,
        room_id=room_id,
    )
    return room_id, taking_part(await rooms.lock_room.first_of(locked), standing)


async def lock(transaction: Transaction, viewer: Viewer, room_id: UUID) -> Cursor:
    """Ask for the room's lock; whoever goes on must see its row, since only who is in the room gets it."""
    return await rooms.lock_room.send(
        transaction.connection, workspace_id=viewer.workspace_id, viewer_id=viewer.user_id, room_id=room_id
    )


def taking_part(locked: UUID | None, standing: Standing | None) -> Standing:
    """How the viewer stands in a room that they are in, whose lock is held. Somebody who was added just after the lock
    found them outside holds no lock, and is outside.

    Raises:
        NotFound: they are not in it.
        Unauthenticated: the sign-in has ended.
    """
    if locked is None or standing is None:
        raise NotFound("room_id")
    if not standing.signed_in:
        raise SignInEnded
    return standing


def manages(viewer: Viewer, standing: Standing) -> None:
    if standing.managed_by != viewer.user_id:
        raise Refused(Code.FORBIDDEN, "Only who manages the room can do this.", "room_id")
