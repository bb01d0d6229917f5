"""The request: what was asked, from a POST's body or a GET's query string (GraphQL over HTTP, "Request")."""

import asyncio
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from server.graphql.asked import OPTIONAL_MAPS, Asked, NotAsked, asked
from server.graphql.payload import NotJSON, decode

# How long a body may take: so many seconds, and one more for each of so many bytes that have come.
_PATIENCE = 30.0
_PACE = 8 * 1024

Headers = tuple[tuple[bytes, bytes], ...]


class Refused(Exception):
    """The request is not one that can be executed: BAD_USER_INPUT, this status whatever the media type."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


class Gone(Exception):
    """The client hung up; there is nobody to answer."""


class Head(NamedTuple):
    """The headers that matter here."""

    accept: str | None
    content_type: str | None
    content_length: int | None
    authorization: list[str]

    @classmethod
    def of(cls, scope: Scope) -> "Head":
        accept = content_type = content_length = None
        authorization: list[str] = []
        for name, value in scope["headers"]:
            if name == b"accept":
                text = value.decode("latin-1")
                accept = text if accept is None else f"{accept},{text}"
            elif name == b"content-type":
                content_type = value.decode("latin-1")
            elif name == b"content-length":
                content_length = int(value) if value.isdigit() else None
            elif name == b"authorization":
                authorization.append(value.decode("latin-1"))
        return cls(accept, content_type, content_length, authorization)


async def posted(head: Head, receive: Receive, limit: int) -> Asked:
    """Read a POST. Raises Refused (400, 408, 413, 415) or Gone.

    Only JSON is taken: a page of another origin can't send it without a preflight, so that no form of such a
    page acts as its reader (there are no cookies either).
    """
    if head.content_type is None or not _is_json(head.content_type):
        raise Refused(415, "The Content-Type of a POST request must be application/json (in UTF-8).")
    body = await _body(head, receive, limit)
    try:
        data = decode(body)
    except NotJSON:
        raise Refused(400, "The request body is not valid JSON.") from None
    if isinstance(data, list):
        raise Refused(400, "Batches of operations are not supported: send one request for each.")
    if not isinstance(data, dict):
        raise Refused(400, "The request body must be a JSON object.")
    return _asked(data)


def linked(scope: Scope) -> Asked:
    """Read a GET: parameters in the URL, `variables` and `extensions` as JSON; an empty one is absent.

    Raises Refused (400).
    """
    try:
        pairs = parse_qsl(scope["query_string"].decode("utf-8"), errors="strict", max_num_fields=100)
    except ValueError:
        raise Refused(400, "The query string is malformed.") from None
    data: dict[str, Any] = {}
    for name, value in pairs:
        data.setdefault(name, value)  # as URLSearchParams.get: the first of several
    for name in OPTIONAL_MAPS:
        if name in data:
            try:
                data[name] = decode(data[name].encode("utf-8", "surrogatepass"))
            except NotJSON:
                raise Refused(400, f"The parameter '{name}' is not valid JSON.") from None
    return _asked(data)


def _asked(data: dict[str, Any]) -> Asked:
    try:
        return asked(data)
    except NotAsked as error:
        raise Refused(400, str(error)) from None


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    name, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            return False
    return name == "application/json"


async def _body(head: Head, receive: Receive, limit: int) -> bytes:
    if head.content_length is not None and head.content_length > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(_PATIENCE) as patience:
            return await _parts(receive, limit, patience)
    except TimeoutError:
        # What is still to come of it is not read.
        raise Refused(408, "The request body has not come in time.", ((b"connection", b"close"),)) from None


async def _parts(receive: Receive, limit: int, patience: asyncio.Timeout) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        parts.append(part)
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if more:
            ends = patience.when()
            assert ends is not None
            patience.reschedule(ends + len(part) / _PACE)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> Refused:
    return Refused(413, f"The request body is larger than {limit} bytes.")
