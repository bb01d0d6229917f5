"""The line of events, as far as readers of the present need it: where "now" is."""

from uuid import UUID

from models import event as events
from models.connection import Connection
from models.event import Position


async def newest(connection: Connection, workspace_id: UUID) -> Position:
    """The newest event of a workspace; there is always one, since its making is its first."""
    return await events.newest_event.one(connection, workspace_id=workspace_id)
