"""Real parts to measure on: an embedded PostgreSQL that is safe against crashes, with a firm in it, and servers."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psycopg
from pydantic import SecretStr

import migrations
from benchmarks import peer
from benchmarks.cores import pin_to_server_core, ticks_of
from benchmarks.load import Rate, connect, post
from benchmarks.table import Aim
from server import demo
from server.demo.large import INTERNAL
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.explain.sample import Sample
from server.settings import Settings

MESSAGES = 20_000
# Statements are counted only where somebody asks for it (`benchmarks.statements`).
COUNTING = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "none"}
PATIENCE = 20  # seconds until a server must answer
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { session { accessToken } } }"


@dataclass(frozen=True)
class Server:
    port: int
    pid: int

    def cpu_seconds(self) -> float:
        return ticks_of(self.pid) / os.sysconf("SC_CLK_TCK")


@dataclass
class Stage:
    folder: Path
    database: str
    sample: Sample
    seconds: float
    minute: bool
    hints: EmbeddedValkey
    token: str = ""
    aims: list[Aim] = field(default_factory=list)
    # With which bursts are compared, once it is measured.
    first_row: Rate | None = None

    async def sign_in(self) -> None:
        with self.serving("parley") as server:
            connection = await connect(server.port)
            asked = {"input": {"email": INTERNAL, "password": demo.PASSWORD}}
            answer = await connection.ask(post(orjson.dumps({"query": SIGN_IN, "variables": asked})))
            connection.close()
        self.token = orjson.loads(answer)["data"]["signIn"]["session"]["accessToken"]

    def request(self, query: str, variables: dict[str, Any]) -> bytes:
        return post(orjson.dumps({"query": query, "variables": variables}), self.token)

    @contextlib.contextmanager
    def serving(self, name: str, **environment: str) -> Iterator[Server]:
        """One of the servers of `benchmarks.serve`, or `node`, alone on its core."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        settings = {
            "PARLEY_DATABASE_URL": self.database,
            "PARLEY_DATA_DIR": str(self.folder),
            "PARLEY_VALKEY_URL": self.hints.url,
            "PARLEY_PORT": str(port),
            "PARLEY_ACCESS_TOKEN_SECONDS": "7200",
            "PARLEY_CONNECTIONS": "50000",
            "PARLEY_CONNECTIONS_OF_USER": "50000",
            "NODE_ENV": "production",
        }
        command = peer.command() if name == "node" else [sys.executable, "-m", "benchmarks.serve", name]
        log = self.folder / f"{name}.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                command,
                env={**os.environ, **settings, **environment},
                preexec_fn=pin_to_server_core,
                stderr=said,
            )
        try:
            _wait_for(port, process)
            yield Server(port, process.pid)
        except BaseException:
            print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def staged(*, seconds: float, minute: bool) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        folder = Path(name)
        postgres = EmbeddedPostgres(folder, settings=COUNTING)
        try:
            postgres.start()
            print(f"filling a database with {MESSAGES:,} messages", flush=True)
            migrations.upgrade(postgres.url)
            demo.main(Settings(database_url=SecretStr(postgres.url), data_dir=folder), MESSAGES, io.StringIO())
            with psycopg.connect(postgres.url) as connection:
                sample = Sample.of_largest(connection)
            assert sample is not None
            with EmbeddedValkey.temporary() as valkey:
                yield Stage(folder, postgres.url, sample, seconds, minute, valkey)
        finally:
            postgres.destroy()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("the server did not start")
