"""Read marks: a log of how far each user has read in each room, and what is unread beyond it.

A mark is a row of its own and changes none, so that it takes no lock that a sender waits for. The current mark is
the highest; when a message was first covered is the earliest row at or above its sequence.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from models.column import belongs_to, bigint, timestamp
from models.message import MessageRow, messages
from models.participant import participants
from models.room import rooms
from models.session import signed_in
from models.statement import Statement, integer, scalar, table, uuid, uuids

# Counting stops here: whoever has so much unread reads it from the top anyway.
UNREAD_LIMIT = 1000


class ReadMark(SQLModel, table=True):
    __tablename__ = "read_mark"
    __table_args__ = (
        # The latest mark of one user in one room, and when it was set, from the index alone.
        sa.PrimaryKeyConstraint("workspace_id", "room_id", "user_id", "sequence", postgresql_include=["read_at"]),
        belongs_to("room", "room_id"),
        belongs_to("user", "user_id"),
    )

    workspace_id: UUID
    room_id: UUID
    user_id: UUID
    sequence: int = bigint()
    read_at: datetime = timestamp(now=True)


class Untold(SQLModel, table=True):
    """A mark of which no event tells yet. Nothing refers to it and it refers to nothing, so a mark waits for nobody."""

    __tablename__ = "untold"
    __table_args__ = (sa.PrimaryKeyConstraint("workspace_id", "room_id", "user_id", "sequence"),)

    workspace_id: UUID
    room_id: UUID
    user_id: UUID
    sequence: int = bigint()


class Mark(NamedTuple):
    room_id: UUID
    user_id: UUID
    sequence: int
    read_at: datetime


class Marking(NamedTuple):
    """How an attempt to mark stood: is the sign-in alive, the viewer in the room, the message in that room?"""

    signed_in: bool
    takes_part: bool
    sequence: int | None
    moved: bool


class Told(NamedTuple):
    room_id: UUID
    user_id: UUID


read_marks = table(ReadMark)
untold = table(Untold)


def _latest(workspace_id: object, room_id: object, user_id: object) -> sa.ScalarSelect[int]:
    mark = read_marks.alias("mark")
    return (
        sa.select(sa.func.coalesce(sa.func.max(mark.c.sequence), 0))
        .where(mark.c.workspace_id == workspace_id, mark.c.room_id == room_id, mark.c.user_id == user_id)
        .scalar_subquery()
    )


# Right, message and mark in one statement: nothing is locked but the new row.
_standing = (
    sa.select(
        signed_in(uuid("session_id"), uuid("viewer_id")).label("signed_in"),
        sa.exists()
        .where(
            participants.c.workspace_id == uuid("workspace_id"),
            participants.c.room_id == uuid("room_id"),
            participants.c.user_id == uuid("viewer_id"),
        )
        .label("takes_part"),
        sa.select(messages.c.sequence)
        .where(
            messages.c.workspace_id == uuid("workspace_id"),
            messages.c.room_id == uuid("room_id"),
            messages.c.id == uuid("message_id"),
        )
        .scalar_subquery()
        .label("sequence"),
    )
    .cte("standing")
    .prefix_with("MATERIALIZED")
)
_marked = (
    postgresql.insert(read_marks)
    .from_select(
        ["workspace_id", "room_id", "user_id", "sequence"],
        sa.select(uuid("workspace_id"), uuid("room_id"), uuid("viewer_id"), _standing.c.sequence).where(
            _standing.c.signed_in,
            _standing.c.takes_part,
            _standing.c.sequence > _latest(uuid("workspace_id"), uuid("room_id"), uuid("viewer_id")),
        ),
        include_defaults=False,
    )
    .on_conflict_do_nothing()
    .returning(read_marks.c.workspace_id, read_marks.c.room_id, read_marks.c.user_id, read_marks.c.sequence)
    .cte("marked")
)
_untold = (
    sa.insert(untold)
    .from_select(["workspace_id", "room_id", "user_id", "sequence"], sa.select(_marked), include_defaults=False)
    .returning(untold.c.sequence)
    .cte("left_untold")
)
mark_read = Statement(
    sa.select(
        _standing.c.signed_in,
        _standing.c.takes_part,
        _standing.c.sequence,
        sa.exists(sa.select(_untold.c.sequence)).label("moved"),
    ),
    Marking,
)

# Whoever tells takes what it can lock; what another is telling just now is told by it.
_some = (
    sa.select(untold.c.workspace_id, untold.c.room_id, untold.c.user_id, untold.c.sequence)
    .where(untold.c.workspace_id == uuid("workspace_id"))
    .limit(integer("limit"))
    .with_for_update(skip_locked=True)
    .cte("some")
)
take_untold = Statement(
    sa.delete(untold)
    .where(
        untold.c.workspace_id == _some.c.workspace_id,
        untold.c.room_id == _some.c.room_id,
        untold.c.user_id == _some.c.user_id,
        untold.c.sequence == _some.c.sequence,
    )
    .returning(untold.c.room_id, untold.c.user_id),
    Told,
)

workspaces_with_untold = Statement(sa.select(untold.c.workspace_id).distinct(), scalar)

# The latest marks of several participants: Participant.lastReadAt and lastReadMessage.
_reader = (
    sa.func.unnest(uuids("room_ids"), uuids("user_ids"))
    .table_valued(sa.column("room_id", sa.Uuid()), sa.column("user_id", sa.Uuid()), name="reader")
    .render_derived()
)
_their_latest = (
    sa.select(read_marks.c.sequence, read_marks.c.read_at)
    .where(
        read_marks.c.workspace_id == uuid("workspace_id"),
        read_marks.c.room_id == _reader.c.room_id,
        read_marks.c.user_id == _reader.c.user_id,
    )
    .order_by(read_marks.c.sequence.desc())
    .limit(1)
    .lateral("latest")
)
latest_marks = Statement(
    sa.select(_reader.c.room_id, _reader.c.user_id, _their_latest.c.sequence, _their_latest.c.read_at).select_from(
        _reader.join(_their_latest, sa.true())
    ),
    Mark,
)

# What is unread to somebody in a room they are in: by others, after their mark and their joining, not deleted.
_read_up_to = sa.func.greatest(
    participants.c.joined_sequence,
    _latest(participants.c.workspace_id, participants.c.room_id, participants.c.user_id),
)
# MATERIALIZED keeps the mark from being looked up again for each message.
_theirs = (
    sa.select(participants.c.room_id, participants.c.user_id, _read_up_to.label("read_up_to"))
    .where(
        participants.c.workspace_id == uuid("workspace_id"),
        participants.c.room_id == sa.any_(uuids("room_ids")),
        participants.c.user_id == sa.any_(uuids("user_ids")),
    )
    .cte("theirs")
    .prefix_with("MATERIALIZED")
)
_mine_not_archived = (
    sa.select(participants.c.room_id, participants.c.user_id, _read_up_to.label("read_up_to"))
    .select_from(
        participants.join(
            rooms,
            sa.and_(rooms.c.workspace_id == participants.c.workspace_id, rooms.c.id == participants.c.room_id),
        )
    )
    .where(
        participants.c.workspace_id == uuid("workspace_id"),
        participants.c.user_id == uuid("viewer_id"),
        rooms.c.archived_at.is_(None),
    )
    .cte("mine")
    .prefix_with("MATERIALIZED")
)


def _unread(theirs: sa.CTE) -> sa.ColumnElement[bool]:
    return sa.and_(
        messages.c.workspace_id == uuid("workspace_id"),
        messages.c.room_id == theirs.c.room_id,
        messages.c.sequence > theirs.c.read_up_to,
        messages.c.author_id != theirs.c.user_id,
        messages.c.deleted_at.is_(None),
    )


class UnreadCount(NamedTuple):
    room_id: UUID
    user_id: UUID
    unread: int


class FirstUnread(NamedTuple):
    user_id: UUID
    message: MessageRow


_counted = (
    sa.select(sa.func.count().label("unread"))
    .select_from(
        sa.select(sa.literal_column("1"))
        .where(_unread(_theirs))
        .limit(UNREAD_LIMIT)
        .correlate(_theirs)
        .subquery("some")
    )
    .correlate(_theirs)
    .lateral("counted")
)
unread_counts = Statement(
    sa.select(_theirs.c.room_id, _theirs.c.user_id, _counted.c.unread).select_from(_theirs.join(_counted, sa.true())),
    UnreadCount,
)

_first = (
    sa.select(*(messages.c[name] for name in MessageRow._fields))
    .where(_unread(_theirs))
    .order_by(messages.c.sequence)
    .limit(1)
    .lateral("first")
)
first_unread = Statement(
    sa.select(_theirs.c.user_id, *(_first.c[name] for name in MessageRow._fields)).select_from(
        _theirs.join(_first, sa.true())
    ),
    lambda user_id, *message: FirstUnread(user_id, MessageRow(*message)),
)

_any = sa.select(sa.literal_column("1")).where(_unread(_mine_not_archived)).limit(UNREAD_LIMIT).lateral("any")
_up_to_limit = (
    sa.select(sa.literal_column("1"))
    .select_from(_mine_not_archived.join(_any, sa.true()))
    .limit(UNREAD_LIMIT)
    .subquery()
)
unread_message_count: Statement[int] = Statement(sa.select(sa.func.count()).select_from(_up_to_limit), scalar)
unread_room_count: Statement[int] = Statement(
    sa.select(sa.func.count())
    .select_from(_mine_not_archived)
    .where(sa.exists(sa.select(sa.literal_column("1")).where(_unread(_mine_not_archived)))),
    scalar,
)
