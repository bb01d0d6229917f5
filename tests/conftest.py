"""What tests stand on: real servers, and for each test a database of its own, copied from a template."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import argon2
import httpx
import hypothesis
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

import migrations
from models.connection import Connection
from resolvers import password, session
from resolvers.process import Issuers, Pool, Process
from resolvers.sealing import Sealer
from resolvers.tokens import Named, access_token
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.http.app import build_app
from server.identity.fetch import fetch
from server.identity.keyring import FetchedKeys
from server.limiter import Buckets
from tests.cast import MEMBERS, PASSWORD, Member, Person, make_cast
from tests.ledger import Ledger

# Two busy cores are slow now and then; that is no fault of what is tried.
hypothesis.settings.register_profile("parley", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("parley")

TEMPLATE = "template_parley"
ORIGIN = "http://parley.test"

_numbers = itertools.count(1)


def make_pool(url: str) -> Pool:
    return AsyncConnectionPool(
        url, connection_class=Connection, min_size=1, max_size=8, open=False, kwargs={"autocommit": True}
    )


def make_process(
    pool: Pool,
    queue: Callable[..., None] = lambda *_: None,
    publish: Callable[..., None] = lambda *_: None,
    marks_moved: Callable[[UUID], None] = lambda _: None,
) -> Process:
    return Process(
        pool=pool,
        queue=queue,
        publish=publish,
        marks_moved=marks_moved,
        limiter=Buckets(),
        cursors=Sealer([b"a secret of the tests"]),
        token_key=b"another secret of the tests, of 32 bytes or more",
        access_token_seconds=900,
        refresh_token_seconds=30 * 86400,
        lock_timeout_ms=10_000,
        idle_transaction_timeout_ms=30_000,
        event_retention_days=30,
        link_keys=(b"a secret of the tests for links",),
        public_url="http://parley.test",
        invitation_seconds=7 * 86400,
        link_seconds=900,
        issuers=Issuers(keys=FetchedKeys(fetch)),
    )


# Hashing is slow on purpose, and a refused sign-in waits for a beat; tests do both often.
QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(autouse=True)
def quick_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a test asks for `slow_passwords`."""
    password._nobody.cache_clear()
    if "slow_passwords" not in request.fixturenames:
        monkeypatch.setattr(password, "_hasher", QUICK)
        monkeypatch.setattr(session, "BEAT", 0.02)


@pytest.fixture
def slow_passwords() -> None:
    """As they are."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for all tests of this process."""
    with EmbeddedPostgres.temporary({"max_connections": "200"}) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    """One server for all tests of this process that need one."""
    with EmbeddedValkey.temporary() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """A database that the migrations built, with the cast in it."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    url = postgres.url_of(TEMPLATE)
    migrations.upgrade(url)

    async def fill() -> None:
        async with make_pool(url) as pool:
            await make_cast(make_process(pool), QUICK.hash(PASSWORD), signed_in=True)

    asyncio.run(fill())
    return TEMPLATE


@pytest.fixture(scope="session")
def spent() -> list[str]:
    """Databases that are done with."""
    return []


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template: str, spent: list[str]) -> Iterator[str]:
    """A database of this test's own."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        # By its files: half of the time that writing it all to the log takes.
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield postgres.url_of(name)
        # Those of tests before: a DROP waits 100 ms for backends that are only just ending.
        while spent:
            connection.execute(f"DROP DATABASE {spent.pop()} WITH (FORCE)")
        spent.append(name)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with make_pool(database_url) as opened:
        yield opened


@pytest.fixture
def queued() -> list[tuple[Any, ...]]:
    """What was queued, in its order."""
    return []


@pytest.fixture
def process(pool: Pool, queued: list[tuple[Any, ...]]) -> Process:
    return make_process(pool, lambda *task: queued.append(task))


@pytest.fixture
def ledger(process: Process, queued: list[tuple[Any, ...]]) -> Ledger:
    """What the database holds, for tests of what an operation wrote, or did not."""
    return Ledger(process, queued)


@pytest.fixture
async def client(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    """The API without a socket; the entry, the engine and the database are the real ones."""

    async def ready() -> None:
        return None

    app = build_app(Execution(ParleyEngine(process)), allowed_origins=[ORIGIN], ready=ready)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as opened:
        yield opened


SignIn = Callable[[str], Any]


@pytest.fixture
async def people(process: Process, client: httpx.AsyncClient) -> dict[str, Person]:
    """The whole cast, signed in where they can be."""
    async with process.pool.connection() as connection:
        cursor = await connection.execute(
            'SELECT email, u.workspace_id, u.id, session.id FROM "user" u LEFT JOIN session'
            " ON session.workspace_id = u.workspace_id AND session.user_id = u.id"
        )
        keys = {email: ids for email, *ids in await cursor.fetchall()}
    return {member.name: _signed_in(process, member, keys[member.email], client) for member in MEMBERS}


def _signed_in(process: Process, member: Member, keys: Any, client: httpx.AsyncClient) -> Person:
    workspace_id, user_id, session_id = keys
    person = Person(member, workspace_id, user_id, client)
    if session_id is not None:
        # The sign-in is one of the template's; a token of it is only signed.
        person.token, _ = access_token(process.token_key, Named(workspace_id, session_id, user_id), 900)
    return person


@pytest.fixture
def ada(people: dict[str, Person]) -> Person:
    """Internal; makes the rooms."""
    return people["ada"]


@pytest.fixture
def ben(people: dict[str, Person]) -> Person:
    """Internal; ada's colleague."""
    return people["ben"]


@pytest.fixture
def cleo(people: dict[str, Person]) -> Person:
    """A client."""
    return people["cleo"]


@pytest.fixture
def dan(people: dict[str, Person]) -> Person:
    """Another client."""
    return people["dan"]


@pytest.fixture
def ivy(people: dict[str, Person]) -> Person:
    """A client who is invited, and not yet active."""
    return people["ivy"]


@pytest.fixture
def max_(people: dict[str, Person]) -> Person:
    """An internal user who was deactivated."""
    return people["max"]


@pytest.fixture
def zoe(people: dict[str, Person]) -> Person:
    """Internal, of another firm."""
    return people["zoe"]


@pytest.fixture
def nobody(people: dict[str, Person], client: httpx.AsyncClient) -> Person:
    """Somebody without a sign-in."""
    ada = people["ada"]
    return Person(ada.member, ada.workspace_id, ada.user_id, client)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """For what a test opens as it goes."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest begins first: last, it would leave one worker alone with it."""
    items.sort(key=lambda item: "test_whatever_breaks_each_phone" not in item.name)
