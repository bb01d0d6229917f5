"""A schema and an engine of a few lines: what the HTTP entry's tests execute."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, ClassVar, NewType

import psycopg
import strawberry
from graphql import GraphQLSchema

from resolvers.origin import Origin
from server.graphql.document import Operation
from server.graphql.engine import Unauthenticated

GOOD_TOKEN = "good-token"
SECRET = "attack at dawn"


class Code(Enum):
    FORBIDDEN = "FORBIDDEN"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    RATE_LIMITED = "RATE_LIMITED"


class ToyError(Exception):
    """As the errors of resolvers/ are: a code and a text for the client."""

    def __init__(self, code: Code, public_message: str) -> None:
        super().__init__(f"internal view of: {public_message}")
        self.code = code
        self.public_message = public_message


class Row(psycopg.errors.UniqueViolation):
    """A database error whose text quotes a row."""

    def __str__(self) -> str:
        return f"duplicate key value\nDETAIL:  Key (body)=({SECRET}) already exists."


def _even(value: Any) -> int:
    if value == "public":
        raise ToyError(Code.BAD_USER_INPUT, "The number has been refused.")
    if not isinstance(value, int) or value % 2:
        raise ValueError(f"<internal> {value}")
    return value


Even = NewType("Even", int)
Json = NewType("Json", object)
SCALARS: dict[object, Any] = {
    Even: strawberry.scalar(name="Even", serialize=int, parse_value=_even),
    Json: strawberry.scalar(name="Json", serialize=lambda value: value, parse_value=lambda value: value),
}


@strawberry.input(one_of=True)
class Either:
    left: strawberry.Maybe[str]
    right: strawberry.Maybe[str]


@strawberry.input
class Letter:
    body: str
    numbers: list[int]


@strawberry.type
class Leaf:
    name: str

    @strawberry.field
    def event_cursor(self) -> str:
        return "cursor"

    @strawberry.field
    def leaf(self) -> "Leaf":
        return Leaf(name="leaf")

    @strawberry.field
    async def fragile(self) -> str | None:
        await asyncio.sleep(0)
        raise RuntimeError(f"{self.name} broke")


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    def leaf(self) -> Leaf:
        return Leaf(name="root")

    @strawberry.field
    def leaves(self, count: int = 3) -> list[Leaf]:
        return [Leaf(name=f"leaf {number}") for number in range(count)]

    @strawberry.field
    def even(self, value: Even) -> int:
        return value

    @strawberry.field
    def either(self, value: Either) -> str:
        return "either"

    @strawberry.field
    def letter(self, letter: Letter) -> str:
        return letter.body

    @strawberry.field
    def nothing(self, value: str) -> str:
        return value

    @strawberry.field
    def json(self, value: Json) -> Json:
        return value

    @strawberry.field
    def huge(self) -> Json:
        return Json(2**80)

    @strawberry.field
    def forbidden(self) -> str | None:
        raise ToyError(Code.FORBIDDEN, "Only its creator may do that.")

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("the reason\nin two lines")

    @strawberry.field
    def broken_wholly(self) -> str:
        raise RuntimeError("the reason")

    @strawberry.field
    def broken_by_a_row(self) -> str | None:
        try:
            raise Row
        except Row as error:
            raise LookupError("no such thing") from error

    @strawberry.field
    def no_text(self) -> str | None:
        return {"text": SECRET}  # type: ignore[return-value]

    @strawberry.field
    async def later(self, milliseconds: int, fail: bool = False) -> str | None:
        await asyncio.sleep(milliseconds / 1000)
        if fail:
            raise RuntimeError("too late")
        return "later"

    @strawberry.field
    def extensions(self, info: strawberry.Info) -> Json:
        return Json(info.input_extensions)

    @strawberry.field
    async def slow(self, info: strawberry.Info) -> str:
        return await _slow(info.context)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def sign_in(self) -> str:
        return "signed in"

    @strawberry.mutation
    def refresh(self) -> str:
        return "refreshed"

    @strawberry.mutation
    def send(self) -> str:
        return "sent"

    @strawberry.mutation
    async def slow(self, info: strawberry.Info) -> str:
        return await _slow(info.context)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def tick(self) -> AsyncGenerator[int, None]:
        yield 1


async def _slow(engine: "ToyEngine") -> str:
    engine.journal.append("begun")
    engine.begun.set()
    try:
        await engine.go_on.wait()
    except asyncio.CancelledError:
        engine.journal.append("cancelled")
        raise
    engine.journal.append("done")
    return "done"


def toy_schema() -> GraphQLSchema:
    config = strawberry.schema.config.StrawberryConfig(scalar_map=SCALARS)
    schema = strawberry.Schema(Query, Mutation, Subscription, config=config)
    return schema._schema


SCHEMA = toy_schema()


class ToyEngine:
    """An engine that keeps a journal; the context of an execution is the engine itself."""

    schema = SCHEMA
    public_mutations = frozenset({"signIn", "refresh"})
    weights: ClassVar[dict[tuple[str, str], int]] = {}

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.tokens: list[str | None] = []
        self.operations: list[Operation] = []
        self.origins: list[Origin] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.on_open: Exception | None = None
        self.on_close: Exception | None = None

    def identify(self, token: str) -> str:
        if token != GOOD_TOKEN:
            raise Unauthenticated
        return token

    def ends(self, who: str) -> None:
        """With its sign-in."""

    def user_of(self, who: str) -> str:
        return who

    @asynccontextmanager
    async def open(self, who: str | None, operation: Operation, origin: Origin) -> AsyncIterator["ToyEngine"]:
        self.tokens.append(who)
        self.origins.append(origin)
        self.operations.append(operation)
        if self.on_open:
            raise self.on_open
        self.journal.append("opened")
        try:
            yield self
        finally:
            await asyncio.sleep(0)
            self.journal.append("closed")
        if self.on_close:
            raise self.on_close
