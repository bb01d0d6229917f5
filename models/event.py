"""The line of events: one row for each change of a workspace, in the order in which the changes committed.

A position is taken as the last thing before the commit, under the lock of the workspace's row in `line`, and by a
statement of its own whose fresh snapshot sees the event before it. So positions have no gaps, and whoever sees one
sees all before it. The lock's row is never updated: a counter would grow a chain of dead rows whenever somebody
holds a snapshot.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.column import bigint, one_of, string, timestamp, uuid_list
from models.participant import participants
from models.statement import Statement, columns, integer, integers, nothing, scalar, table, uuid, uuids


class EventKind(StrEnum):
    WORKSPACE_CREATED = "WORKSPACE_CREATED"
    ROOM_CREATED = "ROOM_CREATED"
    ROOM_UPDATED = "ROOM_UPDATED"  # something that every participant sees
    ROOM_MANAGER_CHANGED = "ROOM_MANAGER_CHANGED"  # something that internal participants alone see
    ROOM_MUTED = "ROOM_MUTED"  # something that user_id alone sees
    PARTICIPANT_ADDED = "PARTICIPANT_ADDED"
    PARTICIPANT_REMOVED = "PARTICIPANT_REMOVED"
    MESSAGE_ADDED = "MESSAGE_ADDED"
    MESSAGE_UPDATED = "MESSAGE_UPDATED"
    MESSAGE_DELETED = "MESSAGE_DELETED"
    ROOM_READ = "ROOM_READ"  # user_ids have moved their read marks: each sees their own
    RECEIPTS_UPDATED = "RECEIPTS_UPDATED"  # the same, as internal participants see it
    USER_CREATED = "USER_CREATED"
    USER_UPDATED = "USER_UPDATED"
    SESSION_ENDED = "SESSION_ENDED"


# Who came and went.
MEMBERSHIP = (EventKind.PARTICIPANT_ADDED, EventKind.PARTICIPANT_REMOVED)


class Line(SQLModel, table=True):
    __tablename__ = "line"
    __table_args__ = (sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),)

    workspace_id: UUID = Field(primary_key=True)


class Event(SQLModel, table=True):
    __tablename__ = "event"
    __table_args__ = (
        # Reading on from a position, and the newest one. No foreign keys: a key check would lock what it refers to.
        sa.PrimaryKeyConstraint("workspace_id", "position"),
        # Who came and went behind a position.
        sa.Index(
            "event_of_membership",
            "workspace_id",
            "position",
            postgresql_where=sa.text("kind IN ('PARTICIPANT_ADDED', 'PARTICIPANT_REMOVED')"),
        ),
        one_of("kind", EventKind),
    )

    workspace_id: UUID
    position: int = bigint()
    # Tells this event from another one that had the same position in another history of the database.
    stamp: int = bigint()
    kind: str = string()
    occurred_at: datetime = timestamp(now=True)
    room_id: UUID | None
    sequence: int | None = bigint()
    user_id: UUID | None
    session_id: UUID | None
    user_ids: list[UUID] | None = uuid_list()


class Position(NamedTuple):
    position: int
    stamp: int


class EventRow(NamedTuple):
    position: int
    stamp: int
    kind: str
    occurred_at: datetime
    room_id: UUID | None
    sequence: int | None
    user_id: UUID | None
    session_id: UUID | None
    user_ids: list[UUID] | None

    @property
    def at(self) -> Position:
        return Position(self.position, self.stamp)


class Newest(NamedTuple):
    workspace_id: UUID
    position: int
    stamp: int


lines = table(Line)
events = table(Event)
of_workspace = events.c.workspace_id == uuid("workspace_id")

insert_line = Statement(sa.insert(lines).values(workspace_id=uuid("workspace_id")), nothing)

lock_line = Statement(
    sa.select(lines.c.workspace_id).where(lines.c.workspace_id == uuid("workspace_id")).with_for_update(key_share=True),
    scalar,
)

_new = (
    sa.func.unnest(
        integers("stamps"),
        sa.bindparam("kinds", type_=sa.ARRAY(sa.Text())),
        uuids("room_ids"),
        integers("sequences"),
        uuids("user_ids"),
        uuids("session_ids"),
        # unnest takes an array of arrays apart to the last element: here each is one text.
        sa.bindparam("lists_of_user_ids", type_=sa.ARRAY(sa.Text())),
    )
    .table_valued(
        sa.column("stamp", sa.BigInteger()),
        sa.column("kind", sa.Text()),
        sa.column("room_id", sa.Uuid()),
        sa.column("sequence", sa.BigInteger()),
        sa.column("user_id", sa.Uuid()),
        sa.column("session_id", sa.Uuid()),
        sa.column("user_ids", sa.Text()),
        with_ordinality="number",
        name="new",
    )
    .render_derived()
)
_highest = sa.select(sa.func.coalesce(sa.func.max(events.c.position), 0)).where(of_workspace).scalar_subquery()
insert_events = Statement(
    sa.insert(events)
    .from_select(
        ["workspace_id", "position", "stamp", "kind", "room_id", "sequence", "user_id", "session_id", "user_ids"],
        sa.select(
            uuid("workspace_id"),
            _highest + _new.c.number,
            _new.c.stamp,
            _new.c.kind,
            _new.c.room_id,
            _new.c.sequence,
            _new.c.user_id,
            _new.c.session_id,
            sa.cast(_new.c.user_ids, sa.ARRAY(sa.Uuid())),
        ),
        include_defaults=False,
    )
    .returning(events.c.position, events.c.stamp),
    Position,
)

newest_event = Statement(
    sa.select(events.c.position, events.c.stamp).where(of_workspace).order_by(events.c.position.desc()).limit(1),
    Position,
)

# A reader reads on: its own event comes first, or it is in another history than this database.
events_from = Statement(
    sa.select(*columns(EventRow, events))
    .where(of_workspace, events.c.position >= integer("position"))
    .order_by(events.c.position)
    .limit(integer("limit")),
    EventRow,
)

# What happened to whom resumes: in rooms that they name or are in, and what names themselves.
_their_rooms = sa.select(participants.c.room_id).where(
    participants.c.workspace_id == uuid("workspace_id"), participants.c.user_id == sa.any_(uuids("user_ids"))
)
events_about = Statement(
    sa.select(*columns(EventRow, events))
    .where(
        of_workspace,
        events.c.position > integer("after"),
        events.c.position <= integer("up_to"),
        sa.or_(
            events.c.room_id == sa.any_(uuids("room_ids")),
            events.c.room_id.in_(_their_rooms),
            events.c.user_id == sa.any_(uuids("user_ids")),
        ),
    )
    .order_by(events.c.position)
    .limit(integer("limit")),
    EventRow,
)


class SpanEnd(NamedTuple):
    position: int
    stamp: int
    is_newest: bool


# The last event up to a position, and whether it is the newest of the line.
_newest_position = sa.select(sa.func.max(events.c.position)).where(of_workspace).scalar_subquery()
end_of_span = Statement(
    sa.select(events.c.position, events.c.stamp, events.c.position == _newest_position)
    .where(of_workspace, events.c.position <= integer("up_to"))
    .order_by(events.c.position.desc())
    .limit(1),
    SpanEnd,
)

# Which cursors are good: each must name an event that is there.
positions_that_stand = Statement(
    sa.select(events.c.position, events.c.stamp).where(
        of_workspace, events.c.position == sa.any_(integers("positions"))
    ),
    Position,
)

# The sweep: where the line is in each of several workspaces.
_watched = (
    sa.func.unnest(uuids("workspace_ids"))
    .table_valued(sa.column("workspace_id", sa.Uuid()), name="watched")
    .render_derived()
)
_end = (
    sa.select(events.c.position, events.c.stamp)
    .where(events.c.workspace_id == _watched.c.workspace_id)
    .order_by(events.c.position.desc())
    .limit(1)
    .lateral("end")
)
newest_events = Statement(
    sa.select(_watched.c.workspace_id, _end.c.position, _end.c.stamp).select_from(_watched.join(_end, sa.true())),
    Newest,
)


class Change(NamedTuple):
    """The newest coming or going of somebody in a room."""

    room_id: UUID
    user_id: UUID
    position: int


changes_of_membership = Statement(
    sa.select(events.c.room_id, events.c.user_id, sa.func.max(events.c.position))
    .where(
        of_workspace,
        events.c.position > integer("after"),
        events.c.kind.in_([sa.literal_column(f"'{kind}'") for kind in MEMBERSHIP]),
        events.c.room_id == sa.any_(uuids("room_ids")),
    )
    .group_by(events.c.room_id, events.c.user_id),
    Change,
)

# The retention. The first events of a line are its oldest; the newest of those that are too old stays, since it may be
# what a good cursor names. So a line has too much when its second event is too old, and one step of the index tells.
_old = events.c.occurred_at < sa.func.statement_timestamp() - sa.func.make_interval(
    0, 0, 0, sa.cast(integer("days"), sa.Integer())
)
_second = (
    sa.select(_old.label("old"))
    .where(events.c.workspace_id == lines.c.workspace_id)
    .order_by(events.c.position)
    .offset(1)
    .limit(1)
    .lateral("second")
)
lines_past_retention = Statement(
    sa.select(lines.c.workspace_id).select_from(lines.join(_second, sa.true())).where(_second.c.old), scalar
)

_oldest = (
    sa.select(events.c.position, _old.label("old"))
    .where(of_workspace)
    .order_by(events.c.position)
    .limit(integer("limit"))
    .subquery("oldest")
)
# Clocks that were set back don't matter: it is a prefix that goes, up to the first event that is young.
_first_young = sa.select(sa.func.min(_oldest.c.position)).where(~_oldest.c.old).scalar_subquery()
_kept_from = (
    sa.select(sa.func.max(_oldest.c.position))
    .where(sa.or_(_first_young.is_(None), _oldest.c.position < _first_young))
    .scalar_subquery()
)
# By an array, of which the planner knows that it is short: what is below a bound that it does not know, it takes for a
# third of the table.
_going = sa.func.array(sa.select(_oldest.c.position).where(_oldest.c.position < _kept_from).scalar_subquery())
sweep_events = Statement(
    sa.delete(events).where(of_workspace, events.c.position == sa.any_(_going)).returning(events.c.position), scalar
)
