"""What the stress runs on: a database, Valkey and two API processes, all real, and people who are signed in."""

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import httpx
import psycopg

import migrations
from models.user import UserKind
from resolvers.errors import Malformed
from resolvers.operation import operate
from resolvers.process import Process
from resolvers.sealing import Sealer
from resolvers.session import begin
from resolvers.tokens import read_access_token
from schema.node_id import NodeKind, node_id
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.service import EmbeddedService
from server.embedded.valkey import EmbeddedValkey
from server.process import make_pool, make_process
from server.settings import Settings
from tests.cast import MEMBERS, make_cast
from tests.running import free_port, running, until_ready

Result = TypeVar("Result")

SERVERS = 2
ANSWER_SECONDS = 20.0  # then a request is given up, and made anew


# What a server may say of a database that is gone, going or not yet there, and of a line that another holds for long.
_FAIR = re.compile(r"psycopg\S*: sqlstate=(None|57P01|57P02|57P03|55P03) ")


class NoAnswer(Exception):
    """Nobody knows whether it was done."""


class Person(NamedTuple):
    name: str
    kind: UserKind
    workspace_id: UUID
    user_id: UUID
    session_id: UUID
    token: str

    @property
    def id(self) -> str:
        return node_id(NodeKind.USER, self.user_id)

    @property
    def internal(self) -> bool:
        return self.kind is UserKind.INTERNAL


class Api:
    """One API process, which may be ended and started again."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.port = free_port()
        self.log = folder / "serve.log"
        self._folder = folder
        self._settings = settings | {"port": self.port}
        self._life = ExitStack()
        folder.mkdir()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def complaints(self) -> list[str]:
        """What its log tells that nothing we break explains."""
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        return [
            f"in a server's log: {before.strip()}: {line}"
            for before, line in pairwise(lines)
            if "Traceback" in line or "Exception" in line or (before.startswith("    ") and _is_unfair(line))
        ]

    def start(self) -> None:
        self._process = self._life.enter_context(running("serve", self._folder, **self._settings))

    def until_ready(self) -> None:
        until_ready(self._process, self.url)

    def kill(self) -> None:
        self._process.kill()
        self._life.close()

    def stop(self) -> None:
        """In order. Returns when it has ended."""
        self._life.close()


class Firm:
    def __init__(self, folder: Path, postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
        self.postgres = postgres
        self.valkey = valkey
        self.settings: dict[str, object] = {
            "database_url": postgres.url,
            "valkey_url": valkey.url,
            "broker_url": valkey.broker_url,
            "data_dir": folder,
            "secret_key": secrets.token_urlsafe(32),
            "access_token_seconds": 86_400,
        }
        self.servers = [Api(folder / str(number), self.settings) for number in range(SERVERS)]
        self.people: dict[str, Person] = {}
        self.complaints: list[str] = []
        self.unanswered: Counter[str] = Counter()
        # Children of the embedded servers' kind live as long as the thread that started them.
        self._hands = ThreadPoolExecutor(4)
        self._cursors = Sealer([str(self.settings["secret_key"]).encode()])
        self._client = httpx.AsyncClient(timeout=ANSWER_SECONDS)

    async def by_hand(self, work: Callable[[], Result]) -> Result:
        """What blocks, in a thread that lives on."""
        return await asyncio.get_running_loop().run_in_executor(self._hands, work)

    async def restart(self, service: EmbeddedService) -> None:
        """After its death."""

        def again() -> None:
            service.stop()
            service.start()

        await self.by_hand(again)

    def position(self, person: Person, cursor: str) -> int | None:
        """Of the event that a cursor names; None: it is of no event in this person's workspace."""
        try:
            return self._cursors.open(person.workspace_id, cursor).position
        except Malformed:
            return None

    async def ask(self, person: Person, chance: Random, query: str, **variables: Any) -> Any:
        """The data of an answer, of either server.

        Raises:
            NoAnswer
        """
        server = chance.choice(self.servers)
        try:
            answer = await self._client.post(
                f"{server.url}/graphql",
                json={"query": query, "variables": variables},
                headers={"authorization": f"Bearer {person.token}"},
            )
            found = answer.json()
        except (httpx.TransportError, ValueError) as error:
            self.unanswered[type(error).__name__] += 1
            raise NoAnswer from None
        if found.get("errors"):
            self.unanswered[found["errors"][0]["extensions"]["code"]] += 1
            raise NoAnswer
        return found["data"]

    async def connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(self.postgres.url, autocommit=True)

    async def open(self) -> None:
        await self.by_hand(lambda: migrations.upgrade(self.postgres.url))
        settings = Settings(**self.settings)  # type: ignore[arg-type]
        async with make_pool(settings) as pool:
            process = make_process(settings, pool, lambda *_: None, lambda *_: None)
            await make_cast(process, "nobody signs in with a password")
            self.people = {person.name: person for person in await _signed_in(process)}
        for api in self.servers:
            api.start()
        await asyncio.gather(*(self.by_hand(api.until_ready) for api in self.servers))

    async def close(self) -> None:
        await asyncio.gather(*(self.by_hand(api.stop) for api in self.servers))
        await self._client.aclose()
        self.complaints += [line for api in self.servers for line in api.complaints]

    def leave(self) -> None:
        """Last of all: with these threads goes what they started."""
        self._hands.shutdown()


@asynccontextmanager
async def firm() -> AsyncIterator[Firm]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="parley-stress-")))
        postgres = stack.enter_context(EmbeddedPostgres.temporary({"max_connections": "100"}))
        valkey = stack.enter_context(EmbeddedValkey.temporary())
        opened = Firm(folder, postgres, valkey)
        stack.callback(opened.leave)
        try:
            await opened.open()
            yield opened
        finally:
            await opened.close()
            postgres.stop()
            valkey.stop()


async def _signed_in(process: Process) -> list[Person]:
    async with process.pool.connection() as connection:
        cursor = await connection.execute("SELECT email, workspace_id, id FROM \"user\" WHERE status = 'ACTIVE'")
        keys = {email: (workspace_id, user_id) for email, workspace_id, user_id in await cursor.fetchall()}
    people = []
    for member in MEMBERS:
        if member.email in keys:
            workspace_id, user_id = keys[member.email]
            session = await operate(process, workspace_id, partial(begin, user_id=user_id))
            named = read_access_token(process.token_key, session.access_token)
            assert named is not None
            people.append(
                Person(member.name, member.kind, workspace_id, user_id, named.session_id, session.access_token)
            )
    return people


def _is_unfair(line: str) -> bool:
    """Whether it ends a traceback that the log keeps, and not with what may be."""
    return re.match(r"[A-Za-z_][\w.]*: ", line) is not None and _FAIR.match(line) is None
