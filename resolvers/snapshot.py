"""One snapshot of the database for all reads of a document.

It is opened by the first read and closed when the document is answered, so that a page, its total and `eventCursor`
tell of one moment: a stream that continues behind that cursor misses nothing that the data lacks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

from models.connection import Connection
from resolvers.process import Process

Result = TypeVar("Result")


class Snapshot:
    def __init__(self, process: Process) -> None:
        self._pool = process.pool
        # A stopped process must not hold back the cleaning of dead rows for ever. One trip, without parameters.
        self._begin = (
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
            f"SET LOCAL idle_in_transaction_session_timeout = {process.idle_transaction_timeout_ms:d}"
        ).encode()
        self._opening = asyncio.Lock()
        self._held = AsyncExitStack()
        self._connection: Connection | None = None

    async def read(self, ask: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Ask one question of the snapshot. Questions of one document are answered one after the other."""
        async with self._opening:
            if self._connection is not None:
                return await ask(self._connection)
            connection = await self._held.enter_async_context(self._pool.connection())
            self._connection = connection
            await connection.execute(self._begin)
            return await ask(connection)

    async def close(self) -> None:
        """Give the connection back. The next read opens a new snapshot."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                if not connection.closed:
                    # Not a ROLLBACK, with which psycopg throws all prepared statements away; of a transaction that
                    # failed, the end is the same.
                    await connection.commit()
            finally:
                await self._held.aclose()
                self._held = AsyncExitStack()
