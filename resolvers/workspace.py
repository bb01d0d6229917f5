"""Workspaces: making one."""

from uuid import UUID

from models import event as events
from models import workspace as workspaces
from models.event import EventKind
from models.ids import new_id
from resolvers.operation import Transaction, operate
from resolvers.process import Process


async def create_workspace(process: Process, name: str, slug: str) -> UUID:
    """Make a firm's workspace, with its line of events, whose first event is the making.

    `slug`: what its people type to name it; lower case, unique.
    """
    workspace_id = new_id()

    async def create(transaction: Transaction) -> UUID:
        connection = transaction.connection
        await workspaces.insert_workspace.send(connection, id=workspace_id, name=name, slug=slug)
        await events.insert_line.send(connection, workspace_id=workspace_id)
        transaction.record(EventKind.WORKSPACE_CREATED)
        return workspace_id

    return await operate(process, workspace_id, create)


async def workspace_by_slug(process: Process, slug: str) -> UUID | None:
    async with process.pool.connection() as connection:
        found = await workspaces.workspace_by_slug.first(connection, slug=slug)
    return found and found.id
