"""Reading the audit log: for operators, at the command line. Nobody reads it through the API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from models.audit import AuditRow, audit_page
from models.connection import Connection

PAGE = 500
# The ids of entries are made by the clocks of processes, and their times by PostgreSQL's. Where they differ by more
# than this, entries near the bounds are missed.
CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; None: all. `user_id`: whoever did it, or whom it was about; `before`: the id of an entry."""

    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    user_id: UUID | None = None
    room_id: UUID | None = None
    before: UUID | None = None


async def entries(connection: Connection, workspace_id: UUID, wanted: Wanted, *, limit: int) -> AsyncIterator[AuditRow]:
    """`limit` entries at the most, newest first, read page by page."""
    before = wanted.before
    while limit > 0:
        size = min(limit, PAGE)
        page = await _page(connection, workspace_id, wanted, before, size)
        for row in page:
            yield row
        if len(page) < size:
            return
        before, limit = page[-1].id, limit - size


async def _page(
    connection: Connection, workspace_id: UUID, wanted: Wanted, before: UUID | None, limit: int
) -> list[AuditRow]:
    statement = audit_page(
        since=wanted.since is not None,
        until=wanted.until is not None,
        action=wanted.action is not None,
        user=wanted.user_id is not None,
        room=wanted.room_id is not None,
        before=before is not None,
    )
    given = {
        "since": wanted.since,
        "since_id": wanted.since and _id_at(wanted.since, -CLOCKS_DIFFER),
        "until": wanted.until,
        "until_id": wanted.until and _id_at(wanted.until, CLOCKS_DIFFER),
        "action": wanted.action,
        "user_id": wanted.user_id,
        "room_id": wanted.room_id,
        "before": before,
    }
    return await statement.all(connection, workspace_id=workspace_id, limit=limit, **given)


def _id_at(moment: datetime, margin: timedelta) -> UUID:
    """The first id of a moment, so much later."""
    milliseconds = int((moment.timestamp() + margin.total_seconds()) * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)
