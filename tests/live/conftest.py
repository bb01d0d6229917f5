import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from resolvers.process import Pool, Process
from server.broadcast import Hints
from server.embedded.valkey import EmbeddedValkey
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.hub.hub import Hub
from tests.conftest import make_process
from tests.live.phone import Switchboard

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
