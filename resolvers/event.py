"""The line of events: where it stands, and how far back it goes."""

from uuid import UUID

from models import event as events
from models.connection import Connection
from models.event import Position
from resolvers.process import Process

# How many events one transaction of the sweep deletes.
SWEEP_LIMIT = 5_000


async def newest(connection: Connection, workspace_id: UUID) -> Position:
    """Where "now" is. Every line has an event: that of its workspace's making."""
    return await events.newest_event.one(connection, workspace_id=workspace_id)


async def sweep(process: Process) -> int:
    """Delete events that are past the retention; how many. What goes is the beginning of a line, and the newest of it
    stays: so a cursor lives as long as everything behind it does, and a quiet workspace's is good for ever."""
    async with process.pool.connection() as connection:
        workspaces = await events.lines_past_retention.all(connection, days=process.event_retention_days)
        swept = 0
        for workspace_id in workspaces:
            while batch := len(
                await events.sweep_events.all(
                    connection, workspace_id=workspace_id, days=process.event_retention_days, limit=SWEEP_LIMIT
                )
            ):
                swept += batch
    return swept
