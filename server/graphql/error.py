"""What a client is told of an error: a message, where, and `extensions.code`.

An exception is public when it has a `code` and a `public_message` (`resolvers.errors.ParleyError` has): those
are told. So are the faults that GraphQL finds in what the client sent. Anything else is INTERNAL_SERVER_ERROR
with an id, and the log has that id with the traceback (`server.fault`).
"""

import logging
from collections.abc import Iterable, Sequence
from types import CodeType
from typing import Any

from graphql import FieldNode, GraphQLError, ValueNode
from graphql.execution.executor import SELECTIONS_NESTED_TOO_DEEPLY
from strawberry.exceptions import StrawberryInputCoercionError

from server import fault

log = logging.getLogger("parley.graphql")

INTERNAL = "INTERNAL_SERVER_ERROR"

# A message can quote input; nobody needs all of a huge one.
_LONGEST = 300

Told = dict[str, Any]


def told(message: str, code: str, **extensions: Any) -> Told:
    """Give an error that is not about a place in the document."""
    return {"message": _cut(message), "extensions": {"code": code, **extensions}}


def public_code(error: BaseException) -> str | None:
    """Give the code of a public exception, None for any other."""
    if not hasattr(error, "public_message"):
        return None
    code = getattr(error, "code", None)
    code = getattr(code, "value", code)  # an enum's member or the code itself
    return code if isinstance(code, str) else None


def unexpected(error: BaseException) -> Told:
    """Log an exception that ended a whole request; give what is told of it."""
    return told("Internal server error", INTERNAL, errorId=fault.record(log, error))


def of_request(errors: Iterable[GraphQLError], code: str) -> list[Told]:
    """Give the errors for which a document or its variables are refused: of `code`, where none says more."""
    return [_of_request(error, code) for error in errors]


def of_execution(errors: Sequence[GraphQLError]) -> list[Told]:
    """Give the errors of an execution, in the order of their paths, whatever order the resolvers ended in."""
    ids: dict[tuple[type, CodeType | None, int], str] = {}
    return [_of_execution(error, ids) for error in sorted(errors, key=_place)]


def _of_request(error: GraphQLError, code: str) -> Told:
    cause = _cause(error)
    if (own := public_code(cause)) is not None:
        return _located(error, public_message(cause), own)
    if isinstance(cause, StrawberryInputCoercionError) or not isinstance(cause, GraphQLError):
        # A scalar did not accept the value.
        return _located(error, _without(cause, error.message), "BAD_USER_INPUT")
    return _located(error, error.message, code)


def _of_execution(error: GraphQLError, ids: dict[tuple[type, CodeType | None, int], str]) -> Told:
    cause = _cause(error)
    if (own := public_code(cause)) is not None:
        return _located(error, public_message(cause), own)
    # An argument's value that only the variables made wrong is blamed on its node in the document; what a
    # resolver raised or returned is blamed on the field.
    if isinstance(cause, StrawberryInputCoercionError) or (
        error.nodes and all(isinstance(node, ValueNode) for node in error.nodes)
    ):
        return _located(error, _without(cause, error.message), "BAD_USER_INPUT")
    if error.message == SELECTIONS_NESTED_TOO_DEEPLY:
        return _located(error, error.message, "QUERY_TOO_COMPLEX")
    fault_id = _same_fault(cause)
    if fault_id not in ids:  # one entry in the log for a fault that meets every row of a page
        ids[fault_id] = fault.record(log, cause, f"at {_field(error)}")
    return _located(error, "Internal server error", INTERNAL, errorId=ids[fault_id])


def _cause(error: GraphQLError) -> Exception:
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def public_message(error: BaseException) -> str:
    """Give the text of a public exception."""
    return str(error.public_message)  # type: ignore[attr-defined]


def _located(error: GraphQLError, message: str, code: str, **extensions: Any) -> Told:
    entry: Told = {"message": _cut(message)}
    if error.locations:
        entry["locations"] = [{"line": line, "column": column} for line, column in error.locations]
    if error.path is not None:
        entry["path"] = error.path
    entry["extensions"] = {"code": code, **extensions}
    return entry


def _without(cause: Exception, message: str) -> str:
    """Take the text of a scalar's exception out of graphql-core's message: it was written for developers."""
    if isinstance(cause, GraphQLError):
        return message
    return message.replace(f", but encountered error '{cause}'; found", ", found")


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"


def _place(error: GraphQLError) -> list[tuple[bool, str | int]]:
    return [(isinstance(key, str), key) for key in error.path or ()]


def _field(error: GraphQLError) -> str:
    # Not the path: aliases in it are the client's text, and the name of a field is the schema's.
    names = [node.name.value for node in error.nodes or () if isinstance(node, FieldNode)]
    return names[0] if names else "the operation"


def _same_fault(error: BaseException) -> tuple[type, CodeType | None, int]:
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return (type(error), step.tb_frame.f_code, step.tb_lineno) if step else (type(error), None, 0)
