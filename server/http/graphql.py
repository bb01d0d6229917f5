"""/graphql: GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/), as its audits test it.

What a status says: with `application/graphql-response+json`, 400 when there is no `data`, else 200. With
`application/json`, 200 for whatever a well-formed request led to. In both, what is no well-formed request has
its own status (400, 405, 406, 413, 415), a token that is bad or expired 401, a fault of ours 500.

Each request is one pass: head, body, document (cached), token, context, execution, context closed, bytes.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from graphql import OperationType
from starlette.types import Receive, Scope, Send

from resolvers.origin import Origin
from server.graphql import error
from server.graphql.document import Invalid
from server.graphql.execution import Execution, Prepared
from server.graphql.mutations import Mutations
from server.http import accept
from server.http.answer import Answer, answer_with, failure, not_asked, refusal
from server.http.departure import Departure
from server.http.origin import origin_of
from server.http.request import Gone, Head, Refused, linked, posted


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
            answer = not_asked(refused)
        except Gone:
            return
        except Exception as raised:
            answer = failure(raised, accept.JSON)
        await answer_with(send, answer, media or accept.JSON)

    async def _answer(self, scope: Scope, head: Head, media: str | None, receive: Receive) -> Answer:
        method = scope["method"]
        if method not in ("POST", "GET", "HEAD"):
            raise Refused(405, "GraphQL is served by POST and GET.", ((b"allow", b"GET, POST"),))
        if media is None:
            raise Refused(406, f"Accept must allow {accept.GRAPHQL} or {accept.JSON}.")
        asked = await posted(head, receive, self._largest_body) if method == "POST" else linked(scope)
        origin = origin_of(scope)
        who = await self._execution.caller(head.authorization, origin)
        try:
            prepared = self._execution.prepare(asked, who)
        except Invalid as invalid:
            return refusal(error.of_request(invalid.errors, invalid.code), media)
        operation = prepared.operation
        if operation.type is OperationType.QUERY:
            with Departure(receive):
                return await self._executed(prepared, who, media, origin)
        if operation.type is OperationType.SUBSCRIPTION:
            raise Refused(400, "Subscriptions are not served by POST and GET.")
        if method != "POST":
            raise Refused(405, "A mutation must be sent by POST.", ((b"allow", b"POST"),))
        return await asyncio.shield(self._mutations.start(self._executed(prepared, who, media, origin)))

    async def _executed(self, prepared: Prepared, who: Callable[[], Any | None], media: str, origin: Origin) -> Answer:
        try:
            result = await self._execution.run(prepared, self._execution.speaks_for(prepared.operation, who), origin)
            if isinstance(result, list):
                return refusal(error.of_request(result, "BAD_USER_INPUT"), media)
            return Answer(200, self._execution.encoded(prepared, result))
        except Exception as raised:
            return failure(raised, media)
