"""Rooms: the viewer's list of them, and what whoever manages one does with it."""

from collections.abc import Sequence
from uuid import UUID

from models import participant as participants
from models import portal as portals
from models import room as rooms
from models.audit import Action
from models.connection import Connection
from models.event import EventKind
from models.ids import new_id
from models.room import RoomRow
from resolvers import text
from resolvers.door import locked_room, managed_room, still_signed_in, visible_rooms
from resolvers.errors import Forbidden, NotFound
from resolvers.operation import Transaction
from resolvers.page import TimePage
from resolvers.participant import NAMED_LIMIT, admit, bounded, lock_newcomers, standing_of
from resolvers.portal import portal_for
from resolvers.text import folded, room_name, search_key
from resolvers.viewer import Viewer, internal_only


async def rooms_page(
    connection: Connection,
    viewer: Viewer,
    page: TimePage,
    *,
    query: str | None,
    archived: bool | None,
    portal_id: UUID | None,
) -> list[RoomRow]:
    """The viewer's rooms; with `backward` the end of the list, in reverse. `archived` None: both kinds.

    Raises:
        Forbidden: a client names a portal.
        Malformed: the query is no text.
    """
    if portal_id is not None and not viewer.is_internal:
        raise Forbidden("Only the firm's own people can look for rooms by portal.")
    needle = search_key(query) if query is not None else ""
    statement = rooms.rooms_page(
        archived=archived,
        query=bool(needle),
        portal=portal_id is not None,
        **page.shape,
    )
    return await statement.all(
        connection,
        workspace_id=viewer.workspace_id,
        viewer_id=viewer.user_id,
        query=needle,
        portal_id=portal_id,
        **page.bounds,
    )


async def rooms_count(
    connection: Connection, viewer: Viewer, *, query: str | None, archived: bool | None, portal_id: UUID | None
) -> int:
    needle = search_key(query) if query is not None else ""
    return await rooms.rooms_count(archived=archived, query=bool(needle), portal=portal_id is not None).one(
        connection,
        workspace_id=viewer.workspace_id,
        viewer_id=viewer.user_id,
        query=needle,
        portal_id=portal_id,
    )


async def rooms_of_portals(
    connection: Connection, viewer: Viewer, portal_ids: Sequence[UUID], page: TimePage
) -> list[RoomRow]:
    """The same page of the viewer's rooms of each of these portals, which the viewer has been given already."""
    return await rooms.rooms_of_portals(**page.shape).all(
        connection,
        workspace_id=viewer.workspace_id,
        viewer_id=viewer.user_id,
        portal_ids=list(portal_ids),
        **page.bounds,
    )


async def room_counts_of_portals(connection: Connection, viewer: Viewer, portal_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many of the viewer's rooms are linked to each of these portals."""
    return dict(
        await rooms.room_counts_of_portals.all(
            connection,
            workspace_id=viewer.workspace_id,
            viewer_id=viewer.user_id,
            portal_ids=list(portal_ids),
        )
    )


async def managers(connection: Connection, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, UUID | None]:
    """Who manages each of these rooms, which the viewer has been given already."""
    return dict(await rooms.managers.all(connection, workspace_id=viewer.workspace_id, ids=list(ids)))


async def muted(connection: Connection, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Which of these rooms the viewer has muted."""
    return {row.id: bool(row.muted) for row in await visible_rooms(connection, viewer, ids)}


async def create_room(
    transaction: Transaction,
    viewer: Viewer,
    *,
    name: str,
    participant_ids: Sequence[UUID | None],
    portal_id: UUID | None,
    idempotency_key: str | None,
) -> UUID:
    """Make a room, whose creator is its first participant. The same key gives back the first room.

    `participant_ids`: None stands for an id that is no user's. `portal_id`: None links it to no portal.

    Raises:
        Refused: FORBIDDEN for a client; what is wrong with the key, the name, the participants or the portal.
        Unauthenticated: the sign-in has ended.
    """
    internal_only(viewer)
    key = text.idempotency_key(idempotency_key)
    if len(participant_ids) <= NAMED_LIMIT:
        await lock_newcomers(transaction, [viewer.user_id, *participant_ids])
    await still_signed_in(transaction, viewer)
    made = await _made_before(transaction, viewer, key)
    if made is not None:
        return made
    shown = room_name(name)
    bounded(participant_ids, "participant_ids")
    people = await standing_of(transaction, participant_ids, None)
    people.refuse("participant_ids")
    if portal_id is not None:
        await portal_for(transaction, viewer, portal_id)
    room_id = await rooms.insert_room.first(
        transaction.connection,
        workspace_id=viewer.workspace_id,
        id=new_id(),
        name=shown,
        name_key=folded(shown),
        created_by=viewer.user_id,
        idempotency_key=key,
        portal_id=portal_id,
    )
    if room_id is None:
        made = await _made_before(transaction, viewer, key)
        assert made is not None, "only a room with this key stands in the way of one"
        return made
    transaction.record(EventKind.ROOM_CREATED, room_id=room_id, user_id=viewer.user_id)
    transaction.audit(Action.ROOM_CREATED, actor_id=viewer.user_id, room_id=room_id, portal_id=portal_id)
    await admit(transaction, room_id, [viewer.user_id], added_by=None, joined_sequence=0)
    others = [user_id for user_id in people.to_add if user_id != viewer.user_id]
    await admit(transaction, room_id, others, added_by=viewer.user_id, joined_sequence=0)
    return room_id


async def _made_before(transaction: Transaction, viewer: Viewer, key: str | None) -> UUID | None:
    if key is None:
        return None
    return await rooms.room_by_key.first(
        transaction.connection,
        workspace_id=viewer.workspace_id,
        created_by=viewer.user_id,
        idempotency_key=key,
    )


async def rename_room(transaction: Transaction, viewer: Viewer, room_id: UUID | None, name: str) -> UUID:
    room, standing = await managed_room(transaction, viewer, room_id)
    shown = room_name(name)
    if shown != standing.name:
        await rooms.rename_room.send(
            transaction.connection,
            workspace_id=viewer.workspace_id,
            room_id=room,
            new_name=shown,
            new_name_key=folded(shown),
        )
        transaction.record(EventKind.ROOM_UPDATED, room_id=room)
        transaction.audit(Action.ROOM_RENAMED, actor_id=viewer.user_id, room_id=room)
    return room


async def link_room_to_portal(
    transaction: Transaction, viewer: Viewer, room_id: UUID | None, portal_id: UUID | None
) -> UUID:
    """Link a room to a portal, or with None to none. What the firm's own people see of the room has changed then, and
    nothing that a client sees.

    Raises:
        Refused: as `managed_room`; NOT_FOUND for a portal that is not of the workspace.
    """
    internal_only(viewer)
    # Portals are locked before rooms; whether it is there is told only to who manages the room.
    portal = None
    if portal_id is not None:
        portal = await portals.lock_portal.send(
            transaction.connection, workspace_id=viewer.workspace_id, portal_id=portal_id
        )
    room, standing = await managed_room(transaction, viewer, room_id)
    if portal is not None and await portals.lock_portal.first_of(portal) is None:
        raise NotFound("portal_id")
    if portal_id != standing.portal_id:
        await rooms.link_room.send(
            transaction.connection, workspace_id=viewer.workspace_id, room_id=room, portal_id=portal_id
        )
        transaction.record(EventKind.ROOM_MANAGER_CHANGED, room_id=room)
        was = standing.portal_id
        transaction.audit(
            Action.ROOM_LINKED,
            actor_id=viewer.user_id,
            room_id=room,
            portal_id=portal_id,
            was=None if was is None else str(was),
        )
    return room


async def archive_room(transaction: Transaction, viewer: Viewer, room_id: UUID | None) -> UUID:
    room, standing = await managed_room(transaction, viewer, room_id)
    if standing.archived_at is None:
        await rooms.archive_room.send(transaction.connection, workspace_id=viewer.workspace_id, room_id=room)
        transaction.record(EventKind.ROOM_UPDATED, room_id=room)
        transaction.audit(Action.ROOM_ARCHIVED, actor_id=viewer.user_id, room_id=room)
    return room


async def unarchive_room(transaction: Transaction, viewer: Viewer, room_id: UUID | None) -> UUID:
    room, standing = await managed_room(transaction, viewer, room_id)
    if standing.archived_at is not None:
        await rooms.unarchive_room.send(transaction.connection, workspace_id=viewer.workspace_id, room_id=room)
        transaction.record(EventKind.ROOM_UPDATED, room_id=room)
        transaction.audit(Action.ROOM_UNARCHIVED, actor_id=viewer.user_id, room_id=room)
    return room


async def set_room_muted(transaction: Transaction, viewer: Viewer, room_id: UUID | None, muted: bool) -> UUID:
    """Whether the viewer gets mail about this room. Nobody else learns of it."""
    room, _ = await locked_room(transaction, viewer, room_id)
    changed = await participants.set_muted.first(
        transaction.connection,
        workspace_id=viewer.workspace_id,
        viewer_id=viewer.user_id,
        room_id=room,
        muted=muted,
    )
    if changed is not None:
        transaction.record(EventKind.ROOM_MUTED, room_id=room, user_id=viewer.user_id)
    return room
