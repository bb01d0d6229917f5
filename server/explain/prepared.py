"""A statement, planned as psycopg has it planned."""

import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.adapt import PyFormat, Transformer

from models.statement import Statement

NAME = "explained"
UNKNOWN = 705  # the type of what PostgreSQL gives a type by its place


class Prepared:
    """Prepared with the very types that psycopg sends. Raises psycopg.Error for parameters that don't fit."""

    def __init__(self, connection: psycopg.Connection, statement: Statement[Any], given: Mapping[str, Any]) -> None:
        # psycopg forgets all prepared statements, also this one, at a rollback: unless it has none of its own.
        connection.prepare_threshold = None
        self._connection = connection
        text, names = numbered(statement.sql.decode())
        values = {**statement.constants, **given}
        self._values = [values[name] for name in names]
        declared = f"({', '.join(map(self._type, self._values))})" if names else ""
        connection.execute(f"PREPARE {NAME} {declared} AS {text}".encode())

    def explained(self, *, generic: bool) -> dict[str, Any]:
        """The plan with what happened, by PostgreSQL's own names."""
        options = "ANALYZE, BUFFERS, FORMAT JSON"
        self._explain(options, generic)  # once before, so that neither time nor pages are those of a cold cache
        found: dict[str, Any] = self._explain(options, generic)[0][0]
        return found

    def text(self, *, generic: bool) -> str:
        return "\n".join(self._explain("ANALYZE, BUFFERS", generic))

    def close(self) -> None:
        self._connection.execute(f"DEALLOCATE {NAME}".encode())

    def _explain(self, options: str, generic: bool) -> list[Any]:
        mode = "force_generic_plan" if generic else "force_custom_plan"
        values = ", ".join(sql.Literal(value).as_string(self._connection) for value in self._values)
        call = f"({values})" if values else ""
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(f"SET LOCAL plan_cache_mode = {mode}".encode())
            lines = self._connection.execute(f"EXPLAIN ({options}) EXECUTE {NAME} {call}".encode())
            return [line for (line,) in lines]

    def _type(self, value: Any) -> str:
        oid = Transformer(self._connection).get_dumper(value, PyFormat.AUTO).oid or UNKNOWN
        found = self._connection.execute("SELECT format_type(%s, NULL)", [oid]).fetchone()
        assert found is not None
        return str(found[0])


def numbered(text: str) -> tuple[str, list[str]]:
    """psycopg's placeholders as PostgreSQL's, `$1` and on, and their names in that order."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return re.sub(r"%%|%\((\w+)\)s", number, text), names
