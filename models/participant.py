"""Participants: who is in a room, since when, and from which message on it is news to them."""

from datetime import datetime
from functools import cache
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from models.column import belongs_to, bigint, flag, timestamp
from models.statement import (
    Statement,
    boolean,
    columns,
    integer,
    moment,
    nothing,
    scalar,
    table,
    uuid,
    uuids,
)
from models.user import users


class Participant(SQLModel, table=True):
    __tablename__ = "participant"
    __table_args__ = (
        # The door: is this user in this room?
        sa.PrimaryKeyConstraint("workspace_id", "room_id", "user_id"),
        # node(id:).
        sa.UniqueConstraint("workspace_id", "id", name="participant_id"),
        belongs_to("room", "room_id"),
        belongs_to("user", "user_id"),
        belongs_to("user", "added_by"),
        # Query.rooms: the rooms of one user.
        sa.Index("participant_by_user", "workspace_id", "user_id", "room_id"),
        # Room.participants in their order, and who has been there longest.
        sa.Index("participant_by_time", "workspace_id", "room_id", "added_at", "id"),
    )

    workspace_id: UUID
    room_id: UUID
    user_id: UUID
    id: UUID
    added_at: datetime = timestamp(now=True)
    added_by: UUID | None
    # The room's sequence when they were added: what is at or below it is history, not unread.
    joined_sequence: int = bigint()
    muted: bool = flag(False)


class ParticipantRow(NamedTuple):
    room_id: UUID
    user_id: UUID
    id: UUID
    added_at: datetime
    added_by: UUID | None


class Candidate(NamedTuple):
    """Somebody who is to be added: how they stand, and whether they are there already."""

    user_id: UUID
    status: str
    present: bool


participants = table(Participant)
of_workspace = participants.c.workspace_id == uuid("workspace_id")
of_room = sa.and_(of_workspace, participants.c.room_id == uuid("room_id"))
_shown = columns(ParticipantRow, participants)


def takes_part(workspace_id: object, room_id: object) -> sa.ColumnElement[bool]:
    """Whether the viewer is a participant of that room, as a query expression: the one wall around every room."""
    door = participants.alias("door")
    return sa.exists().where(
        door.c.workspace_id == workspace_id, door.c.room_id == room_id, door.c.user_id == uuid("viewer_id")
    )


candidates = Statement(
    sa.select(
        users.c.id,
        users.c.status,
        sa.exists().where(of_room, participants.c.user_id == users.c.id),
    ).where(users.c.workspace_id == uuid("workspace_id"), users.c.id == sa.any_(uuids("user_ids"))),
    Candidate,
)

# One statement for any number of people, under the room's lock. They come in at one moment, in the order of their
# ids, which are made in the order in which the caller named them.
_joining = (
    sa.func.unnest(uuids("user_ids"), uuids("ids"))
    .table_valued(sa.column("user_id", sa.Uuid()), sa.column("id", sa.Uuid()), name="joining")
    .render_derived()
)
insert_participants = Statement(
    sa.insert(participants).from_select(
        ["workspace_id", "room_id", "user_id", "id", "added_at", "added_by", "joined_sequence", "muted"],
        sa.select(
            uuid("workspace_id"),
            uuid("room_id"),
            _joining.c.user_id,
            _joining.c.id,
            sa.func.statement_timestamp(),
            uuid("added_by"),
            integer("joined_sequence"),
            sa.false(),
        ),
    ),
    nothing,
)

delete_participant = Statement(
    sa.delete(participants).where(of_room, participants.c.user_id == uuid("user_id")).returning(participants.c.id),
    scalar,
)

set_muted = Statement(
    sa.update(participants)
    .where(of_room, participants.c.user_id == uuid("viewer_id"), participants.c.muted != boolean("muted"))
    .values(muted=boolean("muted"))
    .returning(participants.c.id),
    scalar,
)


class Muted(NamedTuple):
    room_id: UUID
    user_id: UUID


muted_for = Statement(
    sa.select(participants.c.room_id, participants.c.user_id).where(
        of_workspace,
        participants.c.room_id == sa.any_(uuids("room_ids")),
        participants.c.user_id == sa.any_(uuids("user_ids")),
        participants.c.muted,
    ),
    Muted,
)

people_of_rooms = Statement(
    sa.select(participants.c.room_id, participants.c.user_id).where(
        of_workspace,
        participants.c.room_id == sa.any_(uuids("room_ids")),
        participants.c.user_id == sa.any_(uuids("user_ids")),
    ),
    lambda room_id, user_id: (room_id, user_id),
)

_pair = (
    sa.func.unnest(uuids("room_ids"), uuids("user_ids"))
    .table_valued(sa.column("room_id", sa.Uuid()), sa.column("user_id", sa.Uuid()), name="pair")
    .render_derived()
)
participants_of_pairs = Statement(
    sa.select(*_shown).where(
        of_workspace, participants.c.room_id == _pair.c.room_id, participants.c.user_id == _pair.c.user_id
    ),
    ParticipantRow,
)

participants_by_user = Statement(
    sa.select(*_shown).where(of_room, participants.c.user_id == sa.any_(uuids("user_ids"))), ParticipantRow
)

# node(id:): only to who is in the same room.
participants_by_id = Statement(
    sa.select(*_shown).where(
        of_workspace,
        participants.c.id == sa.any_(uuids("ids")),
        takes_part(participants.c.workspace_id, participants.c.room_id),
    ),
    ParticipantRow,
)

participant_counts = Statement(
    sa.select(participants.c.room_id, sa.func.count())
    .where(of_workspace, participants.c.room_id == sa.any_(uuids("room_ids")))
    .group_by(participants.c.room_id),
    lambda room_id, count: (room_id, count),
)


@cache
def participants_pages(*, after: bool, before: bool, backward: bool) -> Statement[ParticipantRow]:
    """A page of each of several rooms in one statement, by (added_at, id); each room's rows stand together."""
    room = (
        sa.func.unnest(uuids("room_ids")).table_valued(sa.column("room_id", sa.Uuid()), name="wanted").render_derived()
    )
    order = sa.tuple_(participants.c.added_at, participants.c.id)
    within = [of_workspace, participants.c.room_id == room.c.room_id]
    if after:
        within.append(order > sa.tuple_(moment("after_time"), uuid("after_id")))
    if before:
        within.append(order < sa.tuple_(moment("before_time"), uuid("before_id")))
    by = [participants.c.added_at, participants.c.id]
    page = (
        sa.select(*_shown)
        .where(*within)
        .order_by(*([column.desc() for column in by] if backward else by))
        .limit(integer("limit"))
        .lateral("page")
    )
    return Statement(
        sa.select(*(page.c[name] for name in ParticipantRow._fields)).select_from(room.join(page, sa.true())),
        ParticipantRow,
    )
