"""Work that is owed: a row with a due time. A queued task is only a hint that there is one."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from models.column import bigint, one_of, string, timestamp
from models.statement import Statement, integer, nothing, table, text, uuid


class WorkKind(StrEnum):
    TELL_MANAGER_CHANGED = "TELL_MANAGER_CHANGED"


class Work(SQLModel, table=True):
    __tablename__ = "work"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        one_of("kind", WorkKind),
        # The sweep of what is due, of all workspaces, oldest first.
        sa.Index("work_by_due_time", "due_at"),
    )

    workspace_id: UUID
    id: UUID
    kind: str = string()
    room_id: UUID | None
    due_at: datetime = timestamp(now=True)
    attempts: int = bigint(sa_column_kwargs={"server_default": sa.text("0")})


class WorkRow(NamedTuple):
    workspace_id: UUID
    id: UUID
    kind: str
    room_id: UUID | None


works = table(Work)
_row = [works.c[name] for name in WorkRow._fields]
this_work = sa.and_(works.c.workspace_id == uuid("workspace_id"), works.c.id == uuid("id"))
backed_off = sa.literal_column("interval '30 seconds' * power(2, least(work.attempts, 7))", sa.Interval())

insert_work = Statement(
    sa.insert(works).values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        kind=text("kind"),
        room_id=uuid("room_id"),
    ),
    nothing,
)

# Putting the due time off is the lease: a sweep that comes meanwhile does not queue it again, and if the worker dies
# it comes due by itself. The factor of two backs off from what keeps failing, up to about an hour.
_due = (
    sa.select(works.c.workspace_id, works.c.id)
    # Not clock_timestamp(), which no index is searched for.
    .where(works.c.due_at <= sa.func.statement_timestamp())
    .order_by(works.c.due_at)
    .limit(integer("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
lease_due_work = Statement(
    sa.update(works)
    .where(works.c.workspace_id == _due.c.workspace_id, works.c.id == _due.c.id)
    .values(
        attempts=works.c.attempts + 1,
        due_at=sa.func.clock_timestamp() + backed_off,
    )
    .returning(*_row),
    WorkRow,
)

# Whoever holds the row does the work and deletes it in the same transaction: twice at once is once.
lock_work = Statement(sa.select(*_row).where(this_work).with_for_update(skip_locked=True), WorkRow)
delete_work = Statement(sa.delete(works).where(this_work), nothing)
