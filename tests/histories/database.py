"""Databases that lose what was written last, as real ones do, while servers run on them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict

from server.embedded.place import make_folder
from server.embedded.postgres import EmbeddedPostgres
from tests.live.phone import PATIENCE

# What a server must be started with, to have a standby or to be one.
REPLICATION = {"wal_level": "replica", "max_wal_senders": "4"}


class Database(Protocol):
    url: str
    """Where it is: somewhere else after a failover."""

    async def keep(self) -> None:
        """What is written from here on will be lost."""

    async def lose(self) -> None:
        """Be as it was kept."""


class Dumped:
    """An operator dumps it, and restores the dump in its place. Whoever is connected is cut."""

    def __init__(self, postgres: EmbeddedPostgres, url: str, folder: Path) -> None:
        self.url = url
        self._postgres = postgres
        self._dump = folder / "parley.dump"

    async def keep(self) -> None:
        await dump(self._postgres, self.url, self._dump)

    async def lose(self) -> None:
        await ask(self._postgres.url, f"DROP DATABASE {_name(self.url)} WITH (FORCE)")
        await restore(self._postgres, self.url, self._dump)


class Replicated:
    """Its standby falls behind, and then takes its place."""

    def __init__(self, url: str, standby: EmbeddedPostgres) -> None:
        self.url = url
        self._standby = standby.url_of(_name(url))

    async def keep(self) -> None:
        written = await ask(self.url, "SELECT pg_current_wal_lsn()")
        await _until(self._standby, f"SELECT pg_last_wal_replay_lsn() >= '{written}'")
        await ask(self._standby, "ALTER SYSTEM SET primary_conninfo = ''")
        await ask(self._standby, "SELECT pg_reload_conf()")
        await _until(self._standby, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")

    async def lose(self) -> None:
        assert await ask(self._standby, "SELECT pg_promote()") is True
        self.url = self._standby


@contextmanager
def standby_of(primary: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """A started one, which streams."""

    class Standby(EmbeddedPostgres):
        def _make_database(self) -> None:
            make_folder(self._data, self._place.user)
            to, how = ("--pgdata", str(self._data)), ("--checkpoint=fast", "--no-sync", "--write-recovery-conf")
            self._run("pg_basebackup", "--dbname", primary.url, *to, *how)

        def ready(self) -> bool:
            try:
                with psycopg.connect(self.url, connect_timeout=5):
                    return True
            except psycopg.OperationalError:
                return False

    with Standby.temporary(REPLICATION) as standby:
        yield standby


async def dump(postgres: EmbeddedPostgres, url: str, file: Path) -> None:
    await _run(postgres, "pg_dump", "--format=custom", f"--file={file}", url)


async def restore(postgres: EmbeddedPostgres, url: str, file: Path) -> None:
    """In one transaction, so that no server sees a half of it."""
    await ask(postgres.url, f"CREATE DATABASE {_name(url)}")
    await _run(postgres, "pg_restore", "--single-transaction", f"--dbname={url}", str(file))


async def ask(url: str, query: str) -> Any:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(query.encode())
        row = await cursor.fetchone() if cursor.description else None
    return row and row[0]


async def _until(url: str, query: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await ask(url, query):
            await asyncio.sleep(0.01)


async def _run(postgres: EmbeddedPostgres, program: str, *arguments: str) -> None:
    started = await asyncio.create_subprocess_exec(
        postgres._binaries() / program, *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, said = await started.communicate()
    assert started.returncode == 0, said.decode()


def _name(url: str) -> str:
    return str(conninfo_to_dict(url)["dbname"])
