import json
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from server.graphql.execution import Execution
from server.http.app import build_app
from tests.clients.npm import installed
from tests.http.toy import ToyEngine

ORIGIN = "https://portal.example"

Ask = Callable[..., Any]


@pytest.fixture
def engine() -> ToyEngine:
    return ToyEngine()


async def _ready() -> None:
    pass


@pytest.fixture
def app(engine: ToyEngine) -> Starlette:
    return build_app(Execution(engine), allowed_origins=[ORIGIN], ready=_ready)


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://parley.test", headers={"accept": "application/json"}
    ) as client:
        yield client


@pytest.fixture
def ask(http: httpx.AsyncClient) -> Ask:
    """Send an operation in the media type of GraphQL; give the response."""

    async def ask(query: str, headers: Mapping[str, Any] | None = None, **members: Any) -> httpx.Response:
        body = json.dumps({"query": query, **members})  # in ASCII: httpx's own can't carry lone surrogates
        usual = {"content-type": "application/json", "accept": "application/graphql-response+json"}
        return await http.post("/graphql", content=body, headers={**usual, **(headers or {})})

    return ask


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder of JavaScript clients, with what they need installed."""
    return installed()


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """A real server on a free port, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = build_app(Execution(ToyEngine()), allowed_origins=[ORIGIN], ready=_ready)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


@pytest.fixture(scope="session")
def node(clients: Path) -> Callable[..., str]:
    """Run a script of the clients' folder; give what it printed. Fails with what it said when it fails."""

    def run(script: str, *arguments: str) -> str:
        done = subprocess.run(
            ["node", script, *arguments], cwd=clients, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
