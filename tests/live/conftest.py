import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from resolvers.process import Pool, Process
from server.broadcast import Hints
from server.connections import Bounds
from server.embedded.valkey import EmbeddedValkey
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.http.app import build_app
from server.hub.hub import Hub
from tests.conftest import ORIGIN, make_process
from tests.live.phone import Switchboard
from tests.live.served import Served
from tests.websocket.conftest import serving

_numbers = itertools.count(1)


@pytest.fixture
async def hints(valkey: EmbeddedValkey) -> AsyncIterator[Hints]:
    hints = Hints(valkey.url, f"test-{next(_numbers)}")
    await hints.open()
    yield hints
    await hints.close()


@pytest.fixture
def process(pool: Pool, queued: list[tuple[Any, ...]], hints: Hints) -> Process:
    return make_process(pool, lambda *task: queued.append(task), hints.publish)


@pytest.fixture
async def live(process: Process, hints: Hints, stack: AsyncExitStack) -> AsyncIterator[Switchboard]:
    """A hub that hears what this test's operations publish."""
    execution = Execution(ParleyEngine(process))
    hub = Hub(process, execution, hints)
    await hub.open()
    yield Switchboard(hub, execution)
    await hub.close()


@pytest.fixture
def bounds() -> Bounds:
    return Bounds()


@pytest.fixture
async def served(live: Switchboard, bounds: Bounds, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Served]:
    """The same hub behind a real socket. Whatever a test does to it: nothing unexpected stands in the log afterwards,
    unless the test took it out."""

    async def ready() -> None: ...

    app = build_app(live.execution, allowed_origins=[ORIGIN], ready=ready, streams=live.hub, bounds=bounds)
    async with serving(app) as server, AsyncExitStack() as wires:
        yield Served(server, wires)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
