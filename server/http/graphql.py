"""/graphql: GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/), as its audits test it.

What a status says: with `application/graphql-response+json`, 400 when there is no `data`, else 200. With
`application/json`, 200 for whatever a well-formed request led to. In both, what is no well-formed request has
its own status (400, 405, 406, 413, 415), a token that is bad or expired 401, a fault of ours 500.

Each request is one pass: head, body, document (cached), token, context, execution, context closed, bytes.
"""

import asyncio
from typing import Any, NamedTuple

from graphql import OperationType
from starlette.types import Receive, Scope, Send

from server.graphql import error
from server.graphql.bearer import token
from server.graphql.document import Invalid, Operation
from server.graphql.execution import Execution, Prepared
from server.graphql.mutations import Mutations
from server.graphql.payload import encode
from server.http import accept
from server.http.departure import Departure
from server.http.request import Gone, Head, Headers, Refused, linked, posted

_CONTENT_TYPE = {media: f"{media}; charset=utf-8".encode("ascii") for media in (accept.GRAPHQL, accept.JSON)}


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: Headers = ()


class GraphQL:
    """The endpoint, as an ASGI application."""

    def __init__(self, execution: Execution, mutations: Mutations, *, largest_body: int = 1024 * 1024) -> None:
        self._execution = execution
        self._mutations = mutations
        self._largest_body = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        media: str | None = None
        try:
            head = Head.of(scope)
            media = accept.media_type(head.accept)
            answer = await self._answer(scope, head, media, receive)
        except Refused as refused:
            body = encode({"errors": [error.told(refused.message, "BAD_USER_INPUT")]})
            answer = Answer(refused.status, body, refused.headers)
        except Gone:
            return
        except Exception as raised:
            answer = _failure(raised, accept.JSON)
        await _send(send, answer, media or accept.JSON)

    async def _answer(self, scope: Scope, head: Head, media: str | None, receive: Receive) -> Answer:
        method = scope["method"]
        if method not in ("POST", "GET", "HEAD"):
            raise Refused(405, "GraphQL is served by POST and GET.", ((b"allow", b"GET, POST"),))
        if media is None:
            raise Refused(406, f"Accept must allow {accept.GRAPHQL} or {accept.JSON}.")
        asked = await posted(head, receive, self._largest_body) if method == "POST" else linked(scope)
        try:
            # Of what is kept nobody needs to know, and the token is verified once.
            unknown = asked.query not in self._execution.documents
            prepared = self._execution.prepare(asked, anonymous=unknown and self._is_anonymous(head))
        except Invalid as invalid:
            return _refusal(error.of_request(invalid.errors, invalid.code), media)
        operation = prepared.operation
        if operation.type is OperationType.QUERY:
            with Departure(receive):
                return await self._executed(prepared, head, media)
        if operation.type is OperationType.SUBSCRIPTION:
            raise Refused(400, "Subscriptions are not served by POST and GET.")
        if method != "POST":
            raise Refused(405, "A mutation must be sent by POST.", ((b"allow", b"POST"),))
        return await asyncio.shield(self._mutations.start(self._executed(prepared, head, media)))

    async def _executed(self, prepared: Prepared, head: Head, media: str) -> Answer:
        try:
            result = await self._execution.run(prepared, self._who(prepared.operation, head))
            if isinstance(result, list):
                return _refusal(error.of_request(result, "BAD_USER_INPUT"), media)
            return Answer(200, self._execution.encoded(prepared, result))
        except Exception as raised:
            return _failure(raised, media)

    def _is_anonymous(self, head: Head) -> bool:
        """Whether no valid token came. A bad one is told only later, and not where it is ignored."""
        try:
            return self._named(head) is None
        except Exception:
            return True

    def _who(self, operation: Operation, head: Head) -> Any | None:
        return self._execution.speaks_for(operation, lambda: self._named(head))

    def _named(self, head: Head) -> Any | None:
        bearer = token(head.authorization)
        return None if bearer is None else self._execution.engine.identify(bearer)


def _refusal(errors: list[error.Told], media: str) -> Answer:
    """Answer a request of which nothing was executed."""
    return Answer(200 if media == accept.JSON else 400, encode({"errors": errors}))


def _failure(raised: Exception, media: str) -> Answer:
    """Answer for an exception outside the execution of a field."""
    code = error.public_code(raised)
    if code is None:
        return Answer(500, encode({"errors": [error.unexpected(raised)]}))
    errors = [error.told(error.public_message(raised), code)]
    if code == "UNAUTHENTICATED":
        return Answer(401, encode({"errors": errors}), ((b"www-authenticate", b"Bearer"),))
    return _refusal(errors, media)


async def _send(send: Send, answer: Answer, media: str) -> None:
    headers = [
        (b"content-type", _CONTENT_TYPE[media]),
        (b"content-length", b"%d" % len(answer.body)),
        (b"cache-control", b"no-store"),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
