"""Work that is owed. A queued task is a hint; the row is the truth, and a sweep queues what is overdue."""

from uuid import UUID

from models import room as rooms
from models import work as works
from models.event import EventKind
from models.work import WorkKind, WorkRow
from resolvers.operation import Transaction, operate
from resolvers.process import Process

SWEEP_LIMIT = 500


async def do(process: Process, workspace_id: UUID, work_id: UUID) -> bool:
    """Do a piece of work, once, however often it is asked for; whether there was anything to do."""
    return await operate(process, workspace_id, lambda transaction: _do(transaction, work_id))


async def sweep_due(process: Process) -> int:
    """Queue what is due; the number of rows. Each is leased by putting its due time off, further each time."""
    async with process.pool.connection() as connection:
        due = await works.lease_due_work.all(connection, limit=SWEEP_LIMIT)
    for work in due:
        process.queue("work.do", str(work.workspace_id), str(work.id))
    return len(due)


async def _do(transaction: Transaction, work_id: UUID) -> bool:
    this = {"workspace_id": transaction.workspace_id, "id": work_id}
    work = await works.lock_work.first(transaction.connection, **this)
    if work is None:
        return False
    await _KINDS[WorkKind(work.kind)](transaction, work)
    await works.delete_work.send(transaction.connection, **this)
    return True


async def _tell_manager_changed(transaction: Transaction, work: WorkRow) -> None:
    """Who manages is computed; this only tells the room's internal people to look again."""
    assert work.room_id is not None
    room_id = await rooms.lock_any_room.first(
        transaction.connection, workspace_id=transaction.workspace_id, room_id=work.room_id
    )
    if room_id is not None:
        transaction.record(EventKind.ROOM_MANAGER_CHANGED, room_id=room_id)


_KINDS = {WorkKind.TELL_MANAGER_CHANGED: _tell_manager_changed}
