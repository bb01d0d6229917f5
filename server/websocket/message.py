"""What a client may say, as the protocol has it."""

from typing import Any, NamedTuple

from server.graphql.asked import Asked, NotAsked, asked
from server.graphql.payload import NotJSON, decode

# An id goes back with every result; a client's own are 36 characters at the most.
_LONGEST_ID = 500


class Malformed(ValueError):
    """This is no message of the protocol; the text says why, and holds nothing of the message."""


class Init(NamedTuple):
    payload: dict[str, Any]


class Ping(NamedTuple):
    payload: dict[str, Any] | None


class Pong(NamedTuple):
    pass


class Subscribe(NamedTuple):
    id: str
    asked: Asked


class Complete(NamedTuple):
    id: str


Message = Init | Ping | Pong | Subscribe | Complete


def read(text: str) -> Message:
    """Raises Malformed."""
    try:
        data = decode(text.encode())
    except NotJSON:
        raise Malformed("The message is not valid JSON.") from None
    if not isinstance(data, dict):
        raise Malformed("A message must be a JSON object.")
    match data.get("type"):
        case "connection_init":
            return Init(_optional_payload(data) or {})
        case "ping":
            return Ping(_optional_payload(data))
        case "pong":
            _optional_payload(data)
            return Pong()
        case "subscribe":
            return Subscribe(_id(data), _asked(data))
        case "complete":
            return Complete(_id(data))
    raise Malformed("The message has no type that a client may send.")


def _id(data: dict[str, Any]) -> str:
    value = data.get("id")
    if not isinstance(value, str) or not value:
        raise Malformed("The message needs an 'id', a string that is not empty.")
    if len(value) > _LONGEST_ID:
        raise Malformed(f"The 'id' is longer than {_LONGEST_ID} characters.")
    return value


def _optional_payload(data: dict[str, Any]) -> dict[str, Any] | None:
    value = data.get("payload")
    if value is not None and not isinstance(value, dict):
        raise Malformed("The 'payload' must be an object.")
    return value


def _asked(data: dict[str, Any]) -> Asked:
    payload = data.get("payload")
    if not isinstance(payload, dict):
        raise Malformed("The 'payload' must be an object.")
    try:
        return asked(payload)
    except NotAsked as error:
        raise Malformed(str(error)) from None
