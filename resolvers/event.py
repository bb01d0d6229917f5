"""The line of events, as far as readers of the present need it: where "now" is."""

from models import event as events
from models.connection import Connection
from models.event import Position
from resolvers.viewer import Viewer


async def newest(connection: Connection, viewer: Viewer) -> Position:
    """The newest event of the viewer's workspace; there is always one, since a workspace's making is its first."""
    return await events.newest_event.one(connection, workspace_id=viewer.workspace_id)
