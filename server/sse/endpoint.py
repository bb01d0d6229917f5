"""/graphql/stream: operations whose results come as events (graphql-sse's protocol, distinct connections mode).

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

What is no request, and a token that is bad, has a status of its own, as at /graphql. Whatever is wrong with the
operation is told in the stream: to an EventSource, a status other than 200 is the end for good.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from graphql import OperationType
from starlette.types import Receive, Scope, Send

from resolvers.origin import Origin
from server.connections import Service
from server.graphql import error
from server.graphql.asked import Asked
from server.graphql.document import Invalid
from server.graphql.engine import ENDED, Unauthenticated
from server.graphql.execution import Prepared
from server.graphql.payload import encode
from server.graphql.streams import Rejected, Stream, Streams, Unavailable
from server.http import accept
from server.http.answer import Answer, answer_with, failure, not_asked
from server.http.origin import origin_of
from server.http.protocol import STREAMING
from server.http.request import Gone, Head, Refused, linked, posted
from server.sse.outlet import EventOutlet

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]


class Ended(Exception):
    """The request is answered with a status, as JSON."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class EventStream:
    """The endpoint, as an ASGI application."""

    def __init__(self, service: Service, *, largest_body: int = 1024 * 1024) -> None:
        self._service = service
        self._largest_body = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except Refused as refused:
            await answer_with(send, not_asked(refused), accept.JSON)
        except Ended as ended:
            await answer_with(send, ended.answer, accept.JSON)
        except (Gone, OSError):
            pass

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method not in ("POST", "GET"):
            raise Refused(405, "GraphQL is streamed by POST and GET.", ((b"allow", b"GET, POST"),))
        head = Head.of(scope)
        if head.accept is not None and "text/event-stream" not in head.accept.lower() and "*/*" not in head.accept:
            raise Refused(406, "Accept must allow text/event-stream.")
        asked = await posted(head, receive, self._largest_body) if method == "POST" else linked(scope)
        bounds = self._service.bounds
        outlet = EventOutlet(most_frames=bounds.frames, most_bytes=bounds.bytes, backlog=self._service.backlog)
        try:
            await self._answer(scope, receive, send, head, asked, outlet)
        finally:
            outlet.leave()

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, head: Head, asked: Asked, outlet: EventOutlet
    ) -> None:
        caller = await self._service.execution.caller(head.authorization, origin_of(scope))
        try:
            prepared = self._service.execution.prepare(asked, caller)
        except Invalid as invalid:
            outlet.error(error.of_request(invalid.errors, invalid.code))
            await self._stream(send, receive, outlet)
            return
        if prepared.operation.type is OperationType.MUTATION and scope["method"] != "POST":
            raise Refused(405, "A mutation must be sent by POST.", ((b"allow", b"POST"),))
        who = self._who(prepared, caller)
        if prepared.operation.type is OperationType.SUBSCRIPTION:
            scope[STREAMING] = True
            await self._subscription(send, receive, prepared, who, outlet)
        else:
            await self._result(send, receive, prepared, who, outlet, origin_of(scope))

    def _who(self, prepared: Prepared, caller: Callable[[], Any | None]) -> Any | None:
        try:
            return self._service.execution.speaks_for(prepared.operation, caller)
        except Exception as raised:
            raise _ended(raised) from raised

    async def _subscription(
        self, send: Send, receive: Receive, prepared: Prepared, who: Any | None, outlet: EventOutlet
    ) -> None:
        service = self._service
        if service.streams is None:
            raise Refused(400, "Subscriptions are not served here.")
        user = None if who is None else service.execution.engine.user_of(who)
        if (left := service.execution.seconds_left(who)) is not None and left <= 0:
            raise _ended(Unauthenticated())
        if not service.open():
            raise _too_many()
        try:
            if user is not None and not service.enter(user, outlet):
                raise _too_many()
            try:
                await self._follow(send, receive, service.streams, prepared, who, outlet)
            finally:
                if user is not None:
                    service.leave(user, outlet)
        finally:
            service.close()

    async def _follow(
        self, send: Send, receive: Receive, streams: Streams, prepared: Prepared, who: Any | None, outlet: EventOutlet
    ) -> None:
        stream: Stream | None = None
        try:
            # Before a byte is answered: it has its position before its client can learn that it is subscribed.
            stream = await streams.subscribe(prepared, who, outlet)
        except Rejected as rejected:
            outlet.error(rejected.errors)
        except Exception as raised:
            raise _ended(raised) from raised
        seconds, why = self._service.bounds.seconds, "This connection has lived its time."
        left = self._service.execution.seconds_left(who)
        if left is not None and left < seconds:
            seconds, why = left, ENDED
        retire = asyncio.get_running_loop().call_later(seconds, outlet.expel, why)
        try:
            await self._stream(send, receive, outlet)
        finally:
            retire.cancel()
            if stream is not None:
                stream.close()

    async def _result(
        self, send: Send, receive: Receive, prepared: Prepared, who: Any | None, outlet: EventOutlet, origin: Origin
    ) -> None:
        execution = self._service.execution

        async def run() -> None:
            result = await execution.run(prepared, who, origin)
            if isinstance(result, list):
                outlet.error(error.of_request(result, "BAD_USER_INPUT"))
            else:
                outlet.result(execution.encoded(prepared, result))

        try:
            if prepared.operation.type is OperationType.MUTATION:
                await asyncio.shield(self._service.mutations.start(run()))
            else:
                await run()
        except Exception as raised:
            code = error.public_code(raised)
            if code is None or code == "UNAUTHENTICATED":
                raise _ended(raised) from raised
            outlet.error([error.told(error.public_message(raised), code)])
        await self._stream(send, receive, outlet)

    async def _stream(self, send: Send, receive: Receive, outlet: EventOutlet) -> None:
        watch = asyncio.create_task(_watch(receive, outlet))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            await outlet.write(send)
        finally:
            watch.cancel()


async def _watch(receive: Receive, outlet: EventOutlet) -> None:
    with suppress(OSError):
        while (await receive())["type"] != "http.disconnect":
            pass
    outlet.leave()


def _too_many() -> Ended:
    return _later(error.told("Too many connections.", "RATE_LIMITED"), seconds=30)


def _ended(raised: Exception) -> Ended:
    if isinstance(raised, Unavailable):
        return _later(error.told("Try again later.", "INTERNAL_SERVER_ERROR"), seconds=1)
    return Ended(failure(raised, accept.GRAPHQL))


def _later(told: error.Told, *, seconds: int) -> Ended:
    return Ended(Answer(503, encode({"errors": [told]}), ((b"retry-after", b"%d" % seconds),)))
