"""What the process gives to resolvers: a pool that gets over a restart of the database."""

from pathlib import Path

import psycopg
import pytest

from server.embedded.postgres import EmbeddedPostgres
from server.process import make_pool
from server.settings import Settings


@pytest.mark.parametrize("connections", [1, 3])
async def test_a_restart_of_the_database_costs_nobody_an_error(connections: int, tmp_path: Path) -> None:
    with EmbeddedPostgres.temporary() as postgres:
        settings = Settings(database_url=postgres.url, database_pool_size=connections, data_dir=tmp_path)
        async with make_pool(settings) as pool:
            await pool.resize(connections, connections)
            await pool.wait()
            postgres.stop()
            postgres.start()
            for _ in range(2 * connections):
                async with pool.connection() as connection:
                    cursor = await connection.execute("SELECT 1")
                    assert await cursor.fetchone() == (1,)


async def test_a_connection_that_is_closed_under_it_is_not_handed_out(database_url: str, tmp_path: Path) -> None:
    async with make_pool(Settings(database_url=database_url, data_dir=tmp_path)) as pool:
        async with pool.connection() as connection:
            victim = connection.info.backend_pid
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [victim])
        async with pool.connection() as connection:
            assert connection.info.backend_pid != victim
