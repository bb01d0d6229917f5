"""What a request of GraphQL is answered with: a status, and errors or a result as JSON."""

from typing import NamedTuple

from starlette.types import Send

from server.graphql import error
from server.graphql.payload import encode
from server.http import accept
from server.http.request import Headers, Refused

_CONTENT_TYPE = {media: f"{media}; charset=utf-8".encode("ascii") for media in (accept.GRAPHQL, accept.JSON)}


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: Headers = ()


def not_asked(refused: Refused) -> Answer:
    """Answer what is no request."""
    return Answer(refused.status, encode({"errors": [error.told(refused.message, "BAD_USER_INPUT")]}), refused.headers)


def refusal(errors: list[error.Told], media: str) -> Answer:
    """Answer a request of which nothing was executed."""
    return Answer(200 if media == accept.JSON else 400, encode({"errors": errors}))


def failure(raised: Exception, media: str) -> Answer:
    """Answer for an exception outside the execution of a field."""
    code = error.public_code(raised)
    if code is None:
        return Answer(500, encode({"errors": [error.unexpected(raised)]}))
    errors = [error.told(error.public_message(raised), code)]
    if code == "UNAUTHENTICATED":
        return Answer(401, encode({"errors": errors}), ((b"www-authenticate", b"Bearer"),))
    return refusal(errors, media)


async def answer_with(send: Send, answer: Answer, media: str) -> None:
    headers = [
        (b"content-type", _CONTENT_TYPE[media]),
        (b"content-length", b"%d" % len(answer.body)),
        (b"cache-control", b"no-store"),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
