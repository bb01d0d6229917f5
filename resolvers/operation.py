"""The one function that runs operations.

An operation records events and queues tasks while it runs; they leave only with, or after, its commit, and failure
discards them. Statements go out in a pipeline: those that nobody waits for travel with the next one that somebody
does.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa
from psycopg.pq import TransactionStatus

from models.audit import AUDIT_PARAMETERS, Action, Actor, insert_audit
from models.connection import Connection, Cursor
from models.event import EventKind, insert_events, lock_line
from models.ids import new_ids
from models.statement import Statement, integer, nothing
from resolvers.errors import ParleyError
from resolvers.origin import UNKNOWN, Origin
from resolvers.process import Process

Result = TypeVar("Result")
Row = TypeVar("Row")

_commits = sa.func.current_setting("synchronous_commit", type_=sa.Text())

# SET LOCAL, so that it also works behind PgBouncer. The timeouts: a stopped process can't freeze a firm.
_set_locally = Statement(
    sa.select(
        sa.func.set_config("lock_timeout", sa.cast(integer("lock_timeout"), sa.Text()), True),
        sa.func.set_config("idle_in_transaction_session_timeout", sa.cast(integer("idle_timeout"), sa.Text()), True),
        # A default of off would give a position out twice after a crash; stricter ones stay.
        sa.func.set_config("synchronous_commit", sa.case((_commits == "off", "on"), else_=_commits), True),
    ),
    nothing,
)


@dataclass(frozen=True, slots=True)
class Pending(Generic[Row]):
    """A row that the operation's last statement gives. It is waited for together with the commit, in one trip."""

    statement: Statement[Row]
    cursor: Cursor


# In seconds. Far above what any operation takes: it ends what no timeout of the database sees, such as a connection
# on which both sides wait, and gives its locks and its place in the pool back.
DEADLINE = 60.0


class Transaction:
    """What an operation works in: the connection, and what leaves with its commit."""

    def __init__(self, process: Process, connection: Connection, workspace_id: UUID, origin: Origin = UNKNOWN) -> None:
        self.process = process
        self.connection = connection
        self.workspace_id = workspace_id
        self.origin = origin
        self.audited: list[dict[str, Any]] = []
        self.events: list[tuple[Any, ...]] = []
        self.queued: list[tuple[Any, ...]] = []
        self.durable = True
        self.untold = False

    def record(
        self,
        kind: EventKind,
        *,
        room_id: UUID | None = None,
        sequence: int | None = None,
        user_id: UUID | None = None,
        session_id: UUID | None = None,
        user_ids: Collection[UUID] | None = None,
    ) -> None:
        """Put an event on the workspace's line, at the commit. It holds ids, never text."""
        stamp = int.from_bytes(secrets.token_bytes(8), "big", signed=True)
        users = None if user_ids is None else f"{{{','.join(map(str, user_ids))}}}"
        self.events.append((stamp, kind.value, room_id, sequence, user_id, session_id, users))

    def audit(
        self,
        action: Action,
        *,
        actor_id: UUID | None,
        by: Actor = Actor.USER,
        user_id: UUID | None = None,
        room_id: UUID | None = None,
        portal_id: UUID | None = None,
        session_id: UUID | None = None,
        **details: str | int | bool | None,
    ) -> None:
        """Put an entry into the audit log, at the commit. `details`: ids, kinds and codes; never a secret, and nothing
        that somebody wrote in a room."""
        self.audited.append(
            {
                "action": action.value,
                "actor_id": actor_id,
                "by": by.value,
                "user_id": user_id,
                "room_id": room_id,
                "portal_id": portal_id,
                "session_id": session_id,
                "address": self.origin.address,
                "user_agent": self.origin.user_agent,
                "details": json.dumps(details),
            }
        )

    def queue(self, task: str, *arguments: Any) -> None:
        """Name a task to be queued after the commit."""
        self.queued.append((task, *arguments))

    async def finish(self, statement: Statement[Row], **parameters: Any) -> Pending[Row]:
        """Send the operation's last statement; it must give one row."""
        return Pending(statement, await statement.send(self.connection, **parameters))

    def leave_untold(self) -> None:
        """Have read marks told soon after the commit, with all others of the workspace."""
        self.untold = True

    async def forgo_durability(self) -> None:
        """Commit without waiting for the disk. Never with an event: a crash would give its position out twice."""
        self.durable = False
        await self.connection.execute("SET LOCAL synchronous_commit = off")


async def operate(
    process: Process,
    workspace_id: UUID,
    operation: Callable[[Transaction], Awaitable[Pending[Result] | Result]],
    origin: Origin = UNKNOWN,
) -> Result:
    """Run an operation in its transaction: begin, run, take positions, commit, and only then publish and queue.

    `origin`: from where it was asked for; the audit log keeps it.

    Raises:
        whatever the operation raises, after a rollback; then no event is there, and nothing is published or queued.
    """
    async with asyncio.timeout(DEADLINE), process.pool.connection() as connection:
        try:
            async with connection.batch():
                transaction = Transaction(process, connection, workspace_id, origin)
                # Spelled out: positions and rights rest on a fresh snapshot for each statement, whatever the defaults.
                await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
                await _set_locally.send(
                    connection,
                    lock_timeout=process.lock_timeout_ms,
                    idle_timeout=process.idle_transaction_timeout_ms,
                )
                result = await operation(transaction)
                await _write_audit(transaction)
                taken = await _take_positions(transaction)
                await connection.execute("COMMIT")
            done = await result.statement.one_of(result.cursor) if isinstance(result, Pending) else result
            positions = [] if taken is None else await insert_events.all_of(taken)
        except BaseException as error:
            await _roll_back(connection, error)
            raise
    if positions:
        process.publish(workspace_id, positions[-1].position)
    if transaction.untold:
        process.marks_moved(workspace_id)
    for task in transaction.queued:
        process.queue(*task)
    return done


async def _roll_back(connection: Connection, error: BaseException) -> None:
    status = connection.info.transaction_status
    if connection.closed or status == TransactionStatus.IDLE:
        return
    if isinstance(error, ParleyError) and status == TransactionStatus.INTRANS:
        await connection.discard()
    else:
        await connection.rollback()


async def _write_audit(transaction: Transaction) -> None:
    if transaction.audited:
        # In the order in which they happened, also within a millisecond.
        ids = new_ids(len(transaction.audited))
        audited = [{**entry, "id": entry_id} for entry, entry_id in zip(transaction.audited, ids, strict=True)]
        entries = {parameter: [entry[name] for entry in audited] for name, parameter in AUDIT_PARAMETERS.items()}
        await insert_audit.send(transaction.connection, workspace_id=transaction.workspace_id, **entries)


async def _take_positions(transaction: Transaction) -> Cursor | None:
    """The lock, the events and the COMMIT leave in one trip: the line is held for no longer than the commit takes."""
    if not transaction.events:
        return None
    assert transaction.durable, "a position is never committed asynchronously"
    await lock_line.send(transaction.connection, workspace_id=transaction.workspace_id)
    stamps, kinds, room_ids, sequences, user_ids, session_ids, lists = map(list, zip(*transaction.events, strict=True))
    return await insert_events.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        stamps=stamps,
        kinds=kinds,
        room_ids=room_ids,
        sequences=sequences,
        user_ids=user_ids,
        session_ids=session_ids,
        lists_of_user_ids=lists,
    )
