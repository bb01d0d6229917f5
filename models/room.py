"""Rooms: who may see them is who takes part in them; who manages them is computed, never stored."""

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from models.column import belongs_to, string, timestamp
from models.message import messages
from models.participant import participants
from models.session import signed_in
from models.statement import Statement, integer, moment, nothing, scalar, table, text, uuid, uuids
from models.user import UserKind, UserStatus, users


class Room(SQLModel, table=True):
    __tablename__ = "room"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        belongs_to("user", "created_by"),
        belongs_to("portal", "portal_id"),
        # Portal.rooms and RoomFilter.portalId.
        sa.Index("room_by_portal", "workspace_id", "portal_id", postgresql_where=sa.text("portal_id IS NOT NULL")),
        # A repeated createRoom finds the first room.
        sa.UniqueConstraint("workspace_id", "created_by", "idempotency_key", name="room_idempotency_key"),
    )

    workspace_id: UUID
    id: UUID
    name: str = string()
    # What RoomFilter.query looks in: the name, case folded.
    name_key: str = string()
    created_by: UUID
    created_at: datetime = timestamp(now=True)
    archived_at: datetime | None = timestamp()
    idempotency_key: str | None = string()
    portal_id: UUID | None


class RoomRow(NamedTuple):
    """A room as one viewer has it; or, with `muted` unknown, as all of them do."""

    id: UUID
    name: str
    created_by: UUID
    created_at: datetime
    archived_at: datetime | None
    portal_id: UUID | None
    muted: bool | None
    last_sequence: int
    last_activity_at: datetime


class Standing(NamedTuple):
    """What an operation on a room has to know of its viewer, read under the room's lock with a fresh snapshot."""

    signed_in: bool
    managed_by: UUID | None
    created_by: UUID
    name: str
    archived_at: datetime | None
    portal_id: UUID | None


rooms = table(Room)
of_workspace = rooms.c.workspace_id == uuid("workspace_id")


def managed_by() -> sa.ColumnElement[UUID | None]:
    """The creator while ACTIVE, else the active internal participant who has been there longest, else nobody."""
    creator = users.alias("creator")
    stand_in = users.alias("stand_in")
    longest = participants.alias("longest")
    return sa.func.coalesce(
        sa.select(creator.c.id)
        .where(
            creator.c.workspace_id == rooms.c.workspace_id,
            creator.c.id == rooms.c.created_by,
            creator.c.status == UserStatus.ACTIVE.value,
        )
        .correlate(rooms)
        .scalar_subquery(),
        sa.select(longest.c.user_id)
        .select_from(
            longest.join(
                stand_in,
                sa.and_(stand_in.c.workspace_id == longest.c.workspace_id, stand_in.c.id == longest.c.user_id),
            )
        )
        .where(
            longest.c.workspace_id == rooms.c.workspace_id,
            longest.c.room_id == rooms.c.id,
            stand_in.c.status == UserStatus.ACTIVE.value,
            stand_in.c.kind == UserKind.INTERNAL.value,
        )
        .order_by(longest.c.added_at, longest.c.id)
        .limit(1)
        .correlate(rooms)
        .scalar_subquery(),
    )


_door = sa.and_(
    participants.c.workspace_id == rooms.c.workspace_id,
    participants.c.room_id == rooms.c.id,
    participants.c.user_id == uuid("viewer_id"),
)

# The room is locked before anything about it is read. Whoever is not in it locks nothing: nobody can make the
# others wait for a room that does not exist to them.
lock_room = Statement(
    sa.select(rooms.c.id)
    .select_from(rooms.join(participants, _door))
    .where(of_workspace, rooms.c.id == uuid("room_id"))
    .with_for_update(key_share=True, of=rooms),
    scalar,
)

lock_room_of_message = Statement(
    sa.select(rooms.c.id)
    .select_from(
        messages.join(
            rooms, sa.and_(rooms.c.workspace_id == messages.c.workspace_id, rooms.c.id == messages.c.room_id)
        ).join(participants, _door)
    )
    .where(of_workspace, messages.c.workspace_id == uuid("workspace_id"), messages.c.id == uuid("message_id"))
    .with_for_update(key_share=True, of=rooms),
    scalar,
)

# For work that no viewer asked for.
lock_any_room = Statement(
    sa.select(rooms.c.id).where(of_workspace, rooms.c.id == uuid("room_id")).with_for_update(key_share=True),
    scalar,
)

standing = Statement(
    sa.select(
        signed_in(uuid("session_id"), uuid("viewer_id")),
        managed_by(),
        rooms.c.created_by,
        rooms.c.name,
        rooms.c.archived_at,
        rooms.c.portal_id,
    )
    .select_from(rooms.join(participants, _door))
    .where(of_workspace, rooms.c.id == uuid("room_id")),
    Standing,
)

# Two that make one room at once: the second waits here for the first, and then inserts nothing.
insert_room: Statement[UUID] = Statement(
    postgresql.insert(rooms)
    .values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        name=text("name"),
        name_key=text("name_key"),
        created_by=uuid("created_by"),
        idempotency_key=text("idempotency_key"),
        portal_id=uuid("portal_id"),
    )
    .on_conflict_do_nothing(constraint="room_idempotency_key")
    .returning(rooms.c.id),
    scalar,
)
room_by_key: Statement[UUID] = Statement(
    sa.select(rooms.c.id).where(
        of_workspace,
        rooms.c.created_by == uuid("created_by"),
        rooms.c.idempotency_key == text("idempotency_key"),
    ),
    scalar,
)
rename_room = Statement(
    sa.update(rooms)
    .where(of_workspace, rooms.c.id == uuid("room_id"))
    .values(name=text("new_name"), name_key=text("new_name_key")),
    nothing,
)
archive_room = Statement(
    sa.update(rooms).where(of_workspace, rooms.c.id == uuid("room_id")).values(archived_at=sa.func.clock_timestamp()),
    nothing,
)
unarchive_room = Statement(
    sa.update(rooms).where(of_workspace, rooms.c.id == uuid("room_id")).values(archived_at=sa.null()), nothing
)
link_room = Statement(
    sa.update(rooms).where(of_workspace, rooms.c.id == uuid("room_id")).values(portal_id=uuid("portal_id")), nothing
)

# Activity is that of the last message, read from the messages' own index: a column of the room that every message
# updates would grow a chain of dead rows whenever somebody holds a snapshot.
_last = (
    sa.select(messages.c.sequence, messages.c.created_at)
    .where(messages.c.workspace_id == uuid("workspace_id"), messages.c.room_id == rooms.c.id)
    .order_by(messages.c.sequence.desc())
    .limit(1)
    .lateral("last")
)
_activity = sa.func.coalesce(_last.c.created_at, rooms.c.created_at)
_of_room = [
    rooms.c.id,
    rooms.c.name,
    rooms.c.created_by,
    rooms.c.created_at,
    rooms.c.archived_at,
    rooms.c.portal_id,
]
_of_talk = [sa.func.coalesce(_last.c.sequence, 0).label("last_sequence"), _activity.label("last_activity_at")]
_room_row = [*_of_room, participants.c.muted, *_of_talk]
_visible = rooms.join(participants, _door).join(_last, sa.true(), isouter=True)

# The same for rooms that are found by their portal: the door is asked of each by itself. Joined, a plan that must do
# for every portal would take each for small, and read all of the viewer's rooms for every room.
_seat = sa.select(participants.c.muted).where(_door).limit(1).lateral("seat")
_seated_row = [*_of_room, _seat.c.muted, *_of_talk]
_entered = rooms.join(_seat, sa.true())
_seated = _entered.join(_last, sa.true(), isouter=True)

rooms_by_id = Statement(
    sa.select(*_room_row).select_from(_visible).where(of_workspace, rooms.c.id == sa.any_(uuids("ids"))),
    RoomRow,
)

# For events, whose receivers were found in these rooms in the same snapshot: what is the same for all of them.
rooms_of_events = Statement(
    sa.select(*_of_room, sa.null().label("muted"), *_of_talk)
    .select_from(rooms.join(_last, sa.true(), isouter=True))
    .where(of_workspace, rooms.c.id == sa.any_(uuids("ids"))),
    RoomRow,
)

managers = Statement(
    sa.select(rooms.c.id, managed_by()).where(of_workspace, rooms.c.id == sa.any_(uuids("ids"))),
    lambda room_id, user_id: (room_id, user_id),
)


def _listed(*, archived: bool | None, query: bool, portal: bool) -> list[sa.ColumnElement[bool]]:
    wanted: list[sa.ColumnElement[bool]] = [of_workspace]
    if archived is not None:
        wanted.append(rooms.c.archived_at.is_not(None) if archived else rooms.c.archived_at.is_(None))
    if query:
        wanted.append(sa.func.strpos(rooms.c.name_key, text("query")) > 0)
    if portal:
        wanted.append(rooms.c.portal_id == uuid("portal_id"))
    return wanted


@cache
def rooms_page(
    *, archived: bool | None, query: bool, portal: bool, after: bool, before: bool, backward: bool
) -> Statement[RoomRow]:
    """The viewer's rooms, latest activity first; `backward` gives the end of the list, in reverse."""
    wanted = [*_listed(archived=archived, query=query, portal=portal), *_between(after=after, before=before)]
    return Statement(
        sa.select(*(_seated_row if portal else _room_row))
        .select_from(_seated if portal else _visible)
        .where(*wanted)
        .order_by(*_by_activity(backward))
        .limit(integer("limit")),
        RoomRow,
    )


@cache
def rooms_count(*, archived: bool | None, query: bool, portal: bool) -> Statement[int]:
    return Statement(
        sa.select(sa.func.count())
        .select_from(_entered if portal else rooms.join(participants, _door))
        .where(*_listed(archived=archived, query=query, portal=portal)),
        scalar,
    )


@cache
def rooms_of_portals(*, after: bool, before: bool, backward: bool) -> Statement[RoomRow]:
    """A page of the viewer's rooms of each of several portals in one statement, latest activity first; each portal's
    rows stand together."""
    portal = (
        sa.func.unnest(uuids("portal_ids"))
        .table_valued(sa.column("portal_id", sa.Uuid()), name="wanted")
        .render_derived()
    )
    page = (
        sa.select(*_seated_row)
        .select_from(_seated)
        .where(of_workspace, rooms.c.portal_id == portal.c.portal_id, *_between(after=after, before=before))
        .order_by(*_by_activity(backward))
        .limit(integer("limit"))
        .lateral("page")
    )
    return Statement(
        sa.select(*(page.c[name] for name in RoomRow._fields)).select_from(portal.join(page, sa.true())), RoomRow
    )


room_counts_of_portals = Statement(
    sa.select(rooms.c.portal_id, sa.func.count())
    .select_from(_entered)
    .where(of_workspace, rooms.c.portal_id == sa.any_(uuids("portal_ids")))
    .group_by(rooms.c.portal_id),
    lambda portal_id, count: (portal_id, count),
)


def _between(*, after: bool, before: bool) -> list[sa.ColumnElement[bool]]:
    place = sa.tuple_(_activity, rooms.c.id)
    wanted: list[sa.ColumnElement[bool]] = []
    if after:
        wanted.append(place < sa.tuple_(moment("after_time"), uuid("after_id")))
    if before:
        wanted.append(place > sa.tuple_(moment("before_time"), uuid("before_id")))
    return wanted


def _by_activity(backward: bool) -> list[sa.ColumnElement[Any]]:
    by: list[sa.ColumnElement[Any]] = [_activity, rooms.c.id]
    return by if backward else [column.desc() for column in by]
