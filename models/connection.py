"""A connection on which statements travel together.

psycopg's pipelines ask the server to flush when somebody waits for an answer. The server then does not count as idle
in its transaction, so `idle_in_transaction_session_timeout` never begins, and a process that is stopped just then
keeps its locks for ever. So whoever waits here ends the batch with a Sync, which costs no trip of its own.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from psycopg import (
    AsyncConnection,
    AsyncCursor,
    AsyncPipeline,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    generators,
)
from psycopg.abc import PQGen
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

Cursor = AsyncCursor[TupleRow]

# The database could not be asked, and may be a little later. PostgreSQL ends a snapshot that was idle for too long (a
# process that was stopped) with an InternalError, and forgets plans with a NotSupportedError when a table changes.
UNREACHABLE = (
    OperationalError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    PoolTimeout,
    TimeoutError,
    OSError,
)


class _Batch(AsyncPipeline):
    def _exit_gen(self) -> PQGen[None]:
        """End with a Sync and nothing after it. psycopg's own sends a Flush as well when the answer takes a while, and
        a PgBouncer that has given the server back by then takes it again for the Flush, and for good."""
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            yield from generators.send(self.pgconn)
            yield from self._fetch_gen(flush=False)


class Connection(AsyncConnection[TupleRow]):
    _batch: _Batch | None = None

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """Statements in here are queued, and leave with the next one whose answer somebody waits for."""
        assert self._pipeline is None, "batches don't nest"
        self._pipeline = self._batch = _Batch(self)
        async with self.pipeline():
            try:
                yield
                await self._drain()
            finally:
                self._batch = None

    async def arrival(self, cursor: Cursor) -> None:
        """Send what is queued and wait for the answers, unless this one is there already."""
        if self._batch is not None and cursor.pgresult is None:
            await self._drain()
            await self._batch.sync()

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """What is asked in here fails with an OperationalError when it is not answered in that time, and the connection
        is gone. For a server that has fallen silent: a cancelled question would go on waiting for it."""
        timer = asyncio.get_running_loop().call_later(seconds, self._cut)
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        """Whoever waits for the server finds the end of what it says."""
        if not self.closed:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)

    async def _drain(self) -> None:
        """Send all that is queued, however large. The Sync that follows looks only for answers once it is queued: with
        the rest of a large statement still unsent, server and client would wait for each other for ever."""
        async with self.lock:
            await self.wait(generators.send(self.pgconn))

    async def discard(self) -> None:
        """Roll a transaction back in which no statement failed.

        psycopg's own rollback also throws away every prepared statement of the connection, since after a failure it
        can't know which of them the server has. Nothing failed here: a refusal is an answer like any other.
        """
        async with self.lock:
            self.pgconn.send_query(b"ROLLBACK")
            await self.wait(generators.execute(self.pgconn))
