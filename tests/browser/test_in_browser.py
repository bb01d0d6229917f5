"""The explorer and the built-in pages as people see them: a real Chromium against a real Parley with the demo's data.

Each file `*.test.mjs` beside this one is a test; what it does stands there.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import migrations
from server.demo import main as fill_demo
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.explorer.build import build
from server.explorer.node import find
from server.settings import Settings
from tests.clients.npm import installed
from tests.running import free_port, running, until_ready

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parent
SECONDS = 180


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.fail("chromium is not on PATH. On Debian: apt install chromium")


@pytest.fixture
def parley(postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A server with a database of its own: its address, and another one that it takes to be its own as well."""
    build()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS browser WITH (FORCE)")
        connection.execute("CREATE DATABASE browser")
    url = postgres.url_of("browser")
    migrations.upgrade(url)
    fill_demo(Settings.model_validate({"database_url": url}))
    address, proxy = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    settings = {
        "database_url": url,
        "valkey_url": valkey.url,
        "data_dir": tmp_path,
        "port": address.rpartition(":")[2],
        "public_url": address,
        "allowed_origins": f"{address},{proxy}",
        "smtp_catcher_port": free_port(),
        "mail_page_port": free_port(),
    }
    with (
        running("serve", tmp_path, **settings) as server,
        running("mail-catcher", tmp_path, **settings),
        running("worker", tmp_path, **settings),
    ):
        until_ready(server, address)
        known = {f"PARLEY_{name.upper()}": str(value) for name, value in settings.items()}
        known["MAIL_PAGE"] = f"http://127.0.0.1:{settings['mail_page_port']}"
        yield {**known, "PARLEY": address, "PROXY": proxy, "PYTHON": sys.executable}
        assert server.poll() is None
    assert "Traceback" not in said_by_server(tmp_path)


@pytest.mark.parametrize("scenario", sorted(FOLDER.glob("*.test.mjs")), ids=lambda path: path.name)
def test_in_chromium(scenario: Path, parley: dict[str, str], chromium: str, tmp_path: Path) -> None:
    installed(FOLDER)
    node = find().node
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(scenario)],
        env={**os.environ, **parley, "CHROMIUM": chromium, "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    failing = done.stdout.rpartition("failing tests:")[2]
    assert done.returncode == 0, f"{failing}\n{done.stderr}\n{said_by_server(tmp_path)}"


def said_by_server(folder: Path) -> str:
    return (folder / "serve.log").read_text()
