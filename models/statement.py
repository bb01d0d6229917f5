"""A statement written once in SQLAlchemy Core, compiled once, and run on psycopg.

Entities cost more than everything else in a hot read, so reads take rows: tuples with names, made straight from
what the driver hands over.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Generic, NewType, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlmodel import SQLModel

from models.connection import Connection, Cursor

Row = TypeVar("Row")
Other = TypeVar("Other")
Sql = NewType("Sql", bytes)

_dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]


def table(model: type[SQLModel]) -> sa.Table:
    """The Core table of a SQLModel class."""
    return cast(sa.Table, model.__table__)  # type: ignore[attr-defined]


def columns(row: type[Any], of: sa.Table) -> list[sa.ColumnElement[Any]]:
    """The columns of a table that a NamedTuple names, in its order."""
    return [of.c[name] for name in row._fields]


def uuid(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.Uuid())


def uuids(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.ARRAY(sa.Uuid()))


def text(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.Text())


def integer(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.BigInteger())


def integers(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.ARRAY(sa.BigInteger()))


def boolean(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.Boolean())


def moment(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.DateTime(timezone=True))


class Statement(Generic[Row]):
    """A compiled statement and the type of its rows.

    `send` only queues it, for pipelines in which nobody needs the answer yet; `all`, `first` and `one` wait for it.
    """

    def __init__(self, core: sa.ClauseElement, row: Callable[..., Row]) -> None:
        compiled = core.compile(dialect=_dialect)
        self.sql = Sql(str(compiled).encode())
        self.core = core
        self.row = row
        self.constants = {
            name: value.value if isinstance(value, Enum) else value
            for name, value in compiled.params.items()
            if value is not None
        }

    async def send(self, connection: Connection, **parameters: Any) -> Cursor:
        # The text is compiled from Core above and holds no value of anybody's.
        return await connection.execute(cast(Any, self.sql), {**self.constants, **parameters})

    async def all(self, connection: Connection, **parameters: Any) -> list[Row]:
        return await self.all_of(await self.send(connection, **parameters))

    async def first(self, connection: Connection, **parameters: Any) -> Row | None:
        return await self.first_of(await self.send(connection, **parameters))

    async def one(self, connection: Connection, **parameters: Any) -> Row:
        return await self.one_of(await self.send(connection, **parameters))

    async def all_of(self, cursor: Cursor) -> list[Row]:
        await _arrival(cursor)
        row = self.row
        return [row(*values) for values in await cursor.fetchall()]

    async def first_of(self, cursor: Cursor) -> Row | None:
        await _arrival(cursor)
        values = await cursor.fetchone()
        return None if values is None else self.row(*values)

    async def one_of(self, cursor: Cursor) -> Row:
        row = await self.first_of(cursor)
        assert row is not None, "the statement always has a row"
        return row


async def _arrival(cursor: Cursor) -> None:
    await cast(Connection, cursor.connection).arrival(cursor)


def scalar(value: Other) -> Other:
    """The row of a statement with one column."""
    return value


def nothing(*_: object) -> None:
    """The row of a statement whose answer nobody looks at."""
