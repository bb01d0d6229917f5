"""Unexpected exceptions in the log: enough to find the fault, nothing of what users wrote.

The log gets the classes, the frames and, where they are known to hold no values, the messages. A database
error tells its SQLSTATE, table and constraint, never its text: DETAIL quotes whole rows.
"""

import traceback
from collections.abc import Iterator
from logging import Logger
from uuid import uuid4

import psycopg
from graphql import GraphQLError
from pydantic import ValidationError
from sqlalchemy.exc import StatementError

_LONGEST = 300
_FRAMES = 40
_CHAIN = 5


def record(log: Logger, error: BaseException, where: str = "") -> str:
    """Log an unexpected exception; give the id under which it stands in the log."""
    error_id = str(uuid4())
    log.error("%s%s\n%s", error_id, f" {where}" if where else "", "\n".join(_lines(error)))
    return error_id


def _lines(error: BaseException, depth: int = 0) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < _CHAIN:
        yield from _lines(cause, depth + 1)
        yield "which led to"
    frames = traceback.extract_tb(error.__traceback__, limit=-_FRAMES)
    yield "".join(traceback.format_list(frames)).rstrip()
    yield f"{type(error).__module__}.{type(error).__qualname__}: {_told(error)}"
    if isinstance(error, BaseExceptionGroup) and depth < _CHAIN:
        for member in error.exceptions[:_CHAIN]:
            yield from _lines(member, depth + 1)


def _told(error: BaseException) -> str:
    """Give what the message may tell."""
    if isinstance(error, psycopg.Error):
        diagnosis = error.diag
        return (
            f"sqlstate={error.sqlstate} table={diagnosis.table_name} column={diagnosis.column_name}"
            f" constraint={diagnosis.constraint_name}"
        )
    if isinstance(error, StatementError):
        return f"code={error.code}"  # its text has the statement with its parameters
    if isinstance(error, ValidationError):
        return f"{error.error_count()} errors in {error.title}"  # its text quotes the input
    text = str(error)
    if isinstance(error, GraphQLError):
        text = error.message.partition(": ")[0]  # what follows is the value that did not fit
    # One line, whatever was put into it.
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")[1:-1]
