import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from tests.histories.api import Api, api_on
from tests.histories.database import REPLICATION, Database, Dumped, Replicated, dump, restore, standby_of

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def primary() -> Iterator[EmbeddedPostgres]:
    """A server that can have a standby."""
    with EmbeddedPostgres.temporary(REPLICATION) as server:
        yield server


@pytest.fixture
def standby(primary: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    with standby_of(primary) as server:
        yield server


@pytest.fixture(params=["restored", "failed over"])
async def database(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, template: str, tmp_path: Path
) -> Database:
    if request.param == "restored":
        return Dumped(postgres, request.getfixturevalue("database_url"), tmp_path)
    primary: EmbeddedPostgres = request.getfixturevalue("primary")
    url = primary.url_of(f"history_{next(_numbers)}")
    await dump(postgres, postgres.url_of(template), tmp_path / "template.dump")
    await restore(primary, url, tmp_path / "template.dump")
    return Replicated(url, request.getfixturevalue("standby"))


@pytest.fixture
async def ahead(
    database: Database, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory, stack: AsyncExitStack
) -> Api:
    """A process that comes to read what will be lost."""
    return await stack.enter_async_context(api_on(database.url, valkey, tmp_path_factory.mktemp("ahead")))


@pytest.fixture
async def behind(
    database: Database, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory, stack: AsyncExitStack
) -> Api:
    """One that is kept from it."""
    return await stack.enter_async_context(api_on(database.url, valkey, tmp_path_factory.mktemp("behind")))
