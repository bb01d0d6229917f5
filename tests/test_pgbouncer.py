"""PgBouncer in transaction mode between Parley and PostgreSQL, where one is installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from models.connection import Connection
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.http.app import build_app
from tests.cast import PASSWORD
from tests.conftest import ORIGIN, make_process
from tests.running import free_port

pytestmark = pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="pgbouncer is not installed")


@pytest.fixture
def bouncer(database_url: str) -> Iterator[str]:
    """A PgBouncer that has one server connection for everybody: whatever leaks from one transaction meets the next."""
    server = conninfo_to_dict(database_url)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="parley-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "users.txt").write_text('"parley" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"""
[databases]
parley = host={server["host"]} port={server["port"]} dbname={server["dbname"]} user=parley
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 1
query_wait_timeout = 10
"""
        )
        user = []
        if os.geteuid() == 0:
            # It refuses root; whoever owns the server's socket may speak to it.
            user = ["-u", pwd.getpwuid(Path(str(server["host"])).stat().st_uid).pw_name]
        process = subprocess.Popen(["pgbouncer", "-q", *user, str(folder / "pgbouncer.ini")])
        url = f"postgresql://parley@127.0.0.1:{port}/parley"
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    psycopg.connect(url).close()
                    break
                except psycopg.OperationalError:
                    assert time.monotonic() < deadline
                    assert process.poll() is None
                    time.sleep(0.02)
            yield url
        finally:
            process.terminate()
            process.wait(10)


async def test_everything_works_through_it_without_prepared_statements(bouncer: str) -> None:
    async def ready() -> None:
        return None

    options = {"autocommit": True, "prepare_threshold": None}
    async with AsyncConnectionPool(
        bouncer, connection_class=Connection, min_size=1, max_size=6, open=False, kwargs=options
    ) as pool:
        app = build_app(Execution(ParleyEngine(make_process(pool))), allowed_origins=[ORIGIN], ready=ready)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:

            async def ask(query: str) -> dict[str, dict[str, dict[str, object]]]:
                answer = (await client.post("/graphql", json={"query": query})).json()
                assert "errors" not in answer
                return answer["data"]  # type: ignore[no-any-return]

            signed_in = await ask(
                f'mutation {{ signIn(input: {{email: "ada@firm.test", password: "{PASSWORD}"}}) '
                "{ session { accessToken } } }"
            )
            client.headers["authorization"] = f"Bearer {signed_in['signIn']['session']['accessToken']}"
            made = await ask('mutation { createRoom(input: {name: "Bounced"}) { room { id } } }')
            room = made["createRoom"]["room"]["id"]  # type: ignore[index]
            for number in range(12):
                send = f'sendMessage(input: {{roomId: "{room}", body: "{number}"}}) {{ message {{ id }} }}'
                await ask(f"mutation {{ {send} }}")
            page = await ask(f'{{ room(id: "{room}") {{ messages {{ nodes {{ sequence body }} }} }} }}')
    assert page["room"]["messages"]["nodes"] == [  # type: ignore[index]
        {"sequence": number + 1, "body": str(number)} for number in range(12)
    ]
