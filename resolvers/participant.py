"""Who is in a room: adding, removing, leaving.

A membership changes only under its room's lock; who is being added is locked before it, FOR SHARE, in the order of
ids, so that nobody is deactivated while being added.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from models import message as messages
from models import participant as participants
from models import user as users
from models.audit import Action
from models.connection import Connection
from models.event import EventKind
from models.ids import new_id, new_ids
from models.participant import Candidate, ParticipantRow
from models.user import UserStatus
from models.work import WorkKind, insert_work
from resolvers import door
from resolvers.errors import Code, NotFound, Refused, refuse_all
from resolvers.operation import Transaction
from resolvers.page import TimePage
from resolvers.viewer import Viewer, internal_only

# How many people one request names at the most.
NAMED_LIMIT = 5000


@dataclass(frozen=True, slots=True)
class Newcomers:
    """People who are named to be added, as they stand; none of them is added where one can't be."""

    named: Sequence[UUID | None]
    found: dict[UUID, Candidate]

    @property
    def to_add(self) -> list[UUID]:
        """Each once, in the order in which they were named, without those who are there already."""
        unique = dict.fromkeys(user_id for user_id in self.named if user_id is not None)
        return [user_id for user_id in unique if not self.found[user_id].present]

    def refuse(self, field: str) -> None:
        """
        Raises:
            Refused: NOT_FOUND or NOT_ACTIVE for each who can't be added, at their place in the client's list.
        """
        refuse_all(list(self._refusals(field)))

    def _refusals(self, field: str) -> Iterable[Refused]:
        for place, user_id in enumerate(self.named):
            candidate = self.found.get(user_id) if user_id is not None else None
            if candidate is None:
                yield NotFound(field, place)
            elif not candidate.present and candidate.status != UserStatus.ACTIVE:
                yield Refused(Code.NOT_ACTIVE, "Only people with an active account can be added.", field, place)


async def participants_of_rooms(
    connection: Connection, viewer: Viewer, room_ids: Sequence[UUID], page: TimePage
) -> list[ParticipantRow]:
    """The same page of each of these rooms, which the viewer has been given already. Internal viewers only: the
    field's mark says so."""
    statement = participants.participants_pages(**page.shape)
    return await statement.all(
        connection,
        workspace_id=viewer.workspace_id,
        room_ids=list(room_ids),
        **page.bounds,
    )


async def participant_counts(connection: Connection, viewer: Viewer, room_ids: Sequence[UUID]) -> dict[UUID, int]:
    return dict(
        await participants.participant_counts.all(connection, workspace_id=viewer.workspace_id, room_ids=list(room_ids))
    )


async def visible_participants(connection: Connection, viewer: Viewer, ids: Sequence[UUID]) -> list[ParticipantRow]:
    """Those of the named participants who are in a room with the viewer. A client sees none of them."""
    if not viewer.is_internal:
        return []
    return await participants.participants_by_id.all(
        connection, workspace_id=viewer.workspace_id, viewer_id=viewer.user_id, ids=list(ids)
    )


async def add_participants(
    transaction: Transaction, viewer: Viewer, room_id: UUID | None, user_ids: Sequence[UUID | None]
) -> tuple[UUID, list[ParticipantRow]]:
    """Add people to a room: all of them or none; who is there already is no error.

    Raises:
        Refused: as `managed_room`; NOT_FOUND or NOT_ACTIVE for each who can't be added.
    """
    internal_only(viewer)
    if room_id is None:
        raise NotFound("room_id")
    if len(user_ids) <= NAMED_LIMIT:
        await lock_newcomers(transaction, user_ids)
    room, _ = await door.managed_room(transaction, viewer, room_id)
    bounded(user_ids, "user_ids")
    people = await standing_of(transaction, user_ids, room)
    people.refuse("user_ids")
    last = await messages.last_of_room.first(transaction.connection, workspace_id=viewer.workspace_id, room_id=room)
    await admit(
        transaction,
        room,
        people.to_add,
        added_by=viewer.user_id,
        joined_sequence=last.sequence if last else 0,
    )
    named = list(dict.fromkeys(user_id for user_id in user_ids if user_id is not None))
    rows = await participants.participants_by_user.all(
        transaction.connection, workspace_id=viewer.workspace_id, room_id=room, user_ids=named
    )
    by_user = {row.user_id: row for row in rows}
    return room, [by_user[user_id] for user_id in named]


async def remove_participant(
    transaction: Transaction, viewer: Viewer, room_id: UUID | None, user_id: UUID | None
) -> tuple[UUID, UUID]:
    """Take somebody out of a room. Who is not in it is out already, which is no error.

    Raises:
        Refused: as `managed_room`; FORBIDDEN for the creator; NOT_FOUND for who is not of the workspace.
    """
    room, standing = await door.managed_room(transaction, viewer, room_id)
    if user_id is None:
        raise NotFound("user_id")
    if user_id == standing.created_by:
        raise Refused(Code.FORBIDDEN, "Who made the room can't be removed from it.", "user_id")
    people = await standing_of(transaction, [user_id], room)
    if user_id not in people.found:
        raise NotFound("user_id")
    await _depart(transaction, viewer, room, user_id, managed_by=standing.managed_by)
    return room, user_id


async def leave_room(transaction: Transaction, viewer: Viewer, room_id: UUID | None) -> UUID:
    """
    Raises:
        Refused: NOT_FOUND; FORBIDDEN for who made the room.
    """
    room, standing = await door.locked_room(transaction, viewer, room_id)
    if standing.created_by == viewer.user_id:
        raise Refused(Code.FORBIDDEN, "Who made the room can't leave it.", "room_id")
    await _depart(transaction, viewer, room, viewer.user_id, managed_by=standing.managed_by)
    return room


def bounded(user_ids: Sequence[UUID | None], field: str) -> None:
    """A room has any number of people, and one request names a bounded number of them.

    Raises:
        Refused: TOO_LONG.
    """
    if len(user_ids) > NAMED_LIMIT:
        raise Refused(Code.TOO_LONG, f"At most {NAMED_LIMIT:,} people can be named at once.", field)


async def lock_newcomers(transaction: Transaction, user_ids: Sequence[UUID | None]) -> None:
    await users.lock_users_being_added.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        ids=[user_id for user_id in user_ids if user_id is not None],
    )


async def standing_of(transaction: Transaction, user_ids: Sequence[UUID | None], room_id: UUID | None) -> Newcomers:
    """How those who are named stand; `room_id` None: for a room that is only being made."""
    found = await participants.candidates.all(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        room_id=room_id,
        user_ids=[user_id for user_id in user_ids if user_id is not None],
    )
    return Newcomers(user_ids, {candidate.user_id: candidate for candidate in found})


async def admit(
    transaction: Transaction,
    room_id: UUID,
    user_ids: Sequence[UUID],
    *,
    added_by: UUID | None,
    joined_sequence: int,
) -> None:
    """Put people into a room whose lock is held; the events stand in the order in which they were named."""
    if not user_ids:
        return
    await participants.insert_participants.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        room_id=room_id,
        user_ids=list(user_ids),
        ids=new_ids(len(user_ids)),
        added_by=added_by,
        joined_sequence=joined_sequence,
    )
    for user_id in user_ids:
        transaction.record(EventKind.PARTICIPANT_ADDED, room_id=room_id, user_id=user_id)
        # Who made the room is said to have made it.
        if added_by is not None:
            transaction.audit(Action.PARTICIPANT_ADDED, actor_id=added_by, room_id=room_id, user_id=user_id)


async def _depart(
    transaction: Transaction, viewer: Viewer, room_id: UUID, user_id: UUID, *, managed_by: UUID | None
) -> None:
    gone = await participants.delete_participant.first(
        transaction.connection, workspace_id=viewer.workspace_id, room_id=room_id, user_id=user_id
    )
    if gone is None:
        return
    transaction.record(EventKind.PARTICIPANT_REMOVED, room_id=room_id, user_id=user_id)
    action = Action.PARTICIPANT_LEFT if user_id == viewer.user_id else Action.PARTICIPANT_REMOVED
    transaction.audit(action, actor_id=viewer.user_id, room_id=room_id, user_id=user_id)
    if user_id == managed_by:
        await _tell_who_manages_now(transaction, room_id)


async def _tell_who_manages_now(transaction: Transaction, room_id: UUID) -> None:
    """A stand-in has left: the rule holds at once, and telling of it is work of its own."""
    work_id = new_id()
    await insert_work.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        id=work_id,
        kind=WorkKind.TELL_MANAGER_CHANGED.value,
        room_id=room_id,
    )
    transaction.queue("work.do", str(transaction.workspace_id), str(work_id))
