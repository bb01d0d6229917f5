"""What a server asks the database, as PostgreSQL counts it."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import psycopg

from benchmarks.stage import Stage
from models.event import events_about, events_from


class Asked(NamedTuple):
    """`all`: statements; `pages`: of the log, for who resumes; `reads`: of the line, for who is live."""

    all: int
    pages: int
    reads: int


class Count:
    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def begin(self) -> None:
        self._connection.execute("SELECT pg_stat_statements_reset()")

    def asked(self) -> Asked:
        rows = self._connection.execute("SELECT calls, query FROM pg_stat_statements").fetchall()
        return Asked(
            sum(calls for calls, query in rows if "pg_stat_statements" not in query),
            sum(calls for calls, query in rows if shape(query) == PAGE),
            sum(calls for calls, query in rows if shape(query) == READ),
        )


@contextlib.contextmanager
def counted(stage: Stage) -> Iterator[Count]:
    """Counts what those ask who connect from now on."""
    with psycopg.connect(stage.database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute("ALTER DATABASE parley SET pg_stat_statements.track = 'top'")
        try:
            yield Count(connection)
        finally:
            connection.execute("ALTER DATABASE parley RESET pg_stat_statements.track")


def shape(query: str) -> str:
    """Without the names of parameters and the spaces."""
    return "".join(word for word in query.split() if "%" not in word and "$" not in word)


PAGE, READ = (shape(statement.sql.decode()) for statement in (events_about, events_from))
