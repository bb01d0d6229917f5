"""What a client asks for: a document, and what goes with it. The same over HTTP and over a socket."""

from typing import Any, NamedTuple

from server.graphql.payload import is_deeper

OPTIONAL_MAPS = ("variables", "extensions")

# Far more than any input has, and few enough for whatever walks through them: JSON could be read that can't be written.
_LEVELS = 100


class NotAsked(ValueError):
    """The members are not those of a GraphQL request; the text says which is not."""


class Asked(NamedTuple):
    """A well-formed GraphQL request."""

    query: str
    operation_name: str | None
    variables: dict[str, Any]
    extensions: dict[str, Any]


def asked(data: dict[str, Any]) -> Asked:
    """Read the members of a JSON object.

    Raises:
        NotAsked: one is missing, or of another type.
    """
    query = data.get("query")
    if not isinstance(query, str):
        raise NotAsked("The parameter 'query' is required and must be a string.")
    operation_name = data.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise NotAsked("The parameter 'operationName' must be a string.")
    maps = []
    for name in OPTIONAL_MAPS:
        value = data.get(name)
        if value is not None and not isinstance(value, dict):
            raise NotAsked(f"The parameter '{name}' must be an object.")
        if is_deeper(value, _LEVELS):
            raise NotAsked(f"The parameter '{name}' is nested more than {_LEVELS} levels deep.")
        maps.append(value or {})
    return Asked(query, operation_name or None, *maps)
