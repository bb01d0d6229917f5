"""Holding transactions at the critical point, so that a race is a test and not a matter of luck."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.viewer import Viewer
from tests.cast import Person

Result = TypeVar("Result")
Operation = Callable[[Transaction], Awaitable[Any]]


class Held:
    """An operation that has done everything but commit."""

    def __init__(self, task: "asyncio.Task[Any]", let_go: asyncio.Event) -> None:
        self._task = task
        self._let_go = let_go

    async def commit(self) -> Any:
        self._let_go.set()
        return await self._task


@asynccontextmanager
async def held(process: Process, workspace_id: UUID, operation: Operation) -> AsyncIterator[Held]:
    """Run an operation up to its end, with its locks taken and its rows written, and hold it there."""
    reached, let_go = asyncio.Event(), asyncio.Event()

    async def run(transaction: Transaction) -> Any:
        result = await operation(transaction)
        # A batch sends nothing that nobody waits for: this makes everything before it happen.
        await transaction.connection.arrival(await transaction.connection.execute("SELECT 1"))
        reached.set()
        await let_go.wait()
        return result

    task = asyncio.create_task(operate(process, workspace_id, run))
    arrival = asyncio.create_task(reached.wait())
    await asyncio.wait([task, arrival], return_when=asyncio.FIRST_COMPLETED)
    arrival.cancel()
    if task.done():
        await task
        raise AssertionError("the operation ended before it could be held")
    try:
        yield Held(task, let_go)
    finally:
        let_go.set()
        await asyncio.wait([task])


async def blocked(process: Process, waiting: "asyncio.Task[Any]") -> None:
    """Wait until a transaction of this test's database waits for a lock.

    Raises:
        AssertionError: the task ended instead.
    """
    async with process.pool.connection() as connection:
        while True:
            cursor = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            row = await cursor.fetchone()
            if row and row[0]:
                return
            if waiting.done():
                raise AssertionError(f"it did not wait: {waiting.exception() or waiting.result()}")
            await asyncio.sleep(0.005)


async def viewer_of(process: Process, person: Person) -> Viewer:
    async with process.pool.connection() as connection:
        cursor = await connection.execute("SELECT id FROM session WHERE user_id = %s", [person.user_id])
        row = await cursor.fetchone()
    assert row is not None
    return Viewer(person.workspace_id, person.user_id, row[0], person.member.kind)


async def rows(process: Process, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    async with process.pool.connection() as connection:
        cursor = await connection.execute(query, parameters)  # type: ignore[arg-type]
        return await cursor.fetchall()
