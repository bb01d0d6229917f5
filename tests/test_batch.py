"""What a batch of statements says on the wire."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from models.connection import Connection
from resolvers.process import Pool


@pytest.mark.parametrize("fails", [False, True])
async def test_a_batch_ends_with_a_sync_and_asks_for_nothing_more(pool: Pool, tmp_path: Path, fails: bool) -> None:
    """A Flush behind the last Sync would hold a server of PgBouncer's for ever."""
    said = tmp_path / "said"
    async with pool.connection() as connection:
        with said.open("w") as file:
            connection.pgconn.trace(file.fileno())
            await _ask(connection, fails)
            connection.pgconn.untrace()
    words = [line.split("\t")[3] for line in said.read_text().splitlines() if line.split("\t")[1] == "F"]
    assert words[-1] == "Sync"
    assert "Flush" not in words


async def _ask(connection: Connection, fails: bool) -> None:
    try:
        async with connection.batch():
            # Long enough for its answer not to be there when the batch is left.
            await connection.execute("SELECT pg_sleep(0.05)")
            if fails:
                raise asyncio.CancelledError
    except asyncio.CancelledError:
        assert fails


async def test_a_large_statement_that_nobody_waits_for_is_sent_whole(pool: Pool) -> None:
    async with pool.connection() as connection:
        async with connection.batch():
            cursor = await connection.execute("SELECT repeat('x', 30000000), %s", ["y" * 30_000_000])
        row = await cursor.fetchone()
    assert row is not None
    assert len(row[0]) == len(row[1]) == 30_000_000


async def test_a_failure_that_nobody_waited_for_is_told_at_the_end(pool: Pool) -> None:
    async with pool.connection() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with connection.batch():
                await connection.execute("SELECT 1 / 0")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
