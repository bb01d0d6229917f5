"""What live delivery is compared with: a loop that sends the same bytes, and Strawberry as it comes."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import strawberry
from broadcaster import Broadcast
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import GraphQL

JSON = "application/graphql-response+json"
ANSWER = Response(b'{"data":{}}', media_type=JSON)


def bare() -> Starlette:
    """Each POST is sent to all sockets: the bytes of the file that BENCH_BYTES names."""
    text = Path(os.environ["BENCH_BYTES"]).read_text()
    sockets: set[WebSocket] = set()

    async def tell(request: Request) -> Response:
        await request.body()
        for socket in list(sockets):
            await socket.send_text(text)
        return ANSWER

    async def listen(socket: WebSocket) -> None:
        await socket.accept(subprotocol="graphql-transport-ws")
        sockets.add(socket)
        try:
            while True:
                text_of_client = await socket.receive_text()
                if "connection_init" in text_of_client:
                    await socket.send_text('{"type":"connection_ack"}')
                elif "ping" in text_of_client:
                    await socket.send_text('{"type":"pong"}')
        except WebSocketDisconnect:
            sockets.discard(socket)

    return Starlette(routes=[Route("/graphql", tell, methods=["POST"]), WebSocketRoute("/graphql", listen)])


def stock() -> Starlette:
    """Strawberry's own subscriptions over broadcaster in memory: one execution and one encoding a subscriber."""
    broadcast = Broadcast("memory://")
    event = orjson.loads(Path(os.environ["BENCH_BYTES"]).read_bytes())["payload"]["data"]["messageAdded"]
    told = event["message"]

    @strawberry.type
    class Author:
        id: strawberry.ID
        name: str

    @strawberry.type
    class Message:
        id: strawberry.ID
        sequence: int
        body: str
        created_at: str
        edited_at: str | None
        author: Author

    @strawberry.type
    class MessageAdded:
        cursor: str
        message: Message

    @strawberry.type
    class Query:
        hello: str = "hello"

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def message_added(
            self,
            room_id: strawberry.ID,  # noqa: ARG002
            after: str | None = None,  # noqa: ARG002
        ) -> AsyncIterator[MessageAdded]:
            async with broadcast.subscribe(channel="room") as subscriber:
                async for _ in subscriber:  # type: ignore[union-attr]
                    message = Message(
                        id=told["id"],
                        sequence=told["sequence"],
                        body=told["body"],
                        created_at=told["createdAt"],
                        edited_at=told["editedAt"],
                        author=Author(id=told["author"]["id"], name=told["author"]["name"]),
                    )
                    yield MessageAdded(cursor=event["cursor"], message=message)

    graphql: GraphQL[None, None] = GraphQL(strawberry.Schema(Query, subscription=Subscription))

    async def tell(request: Request) -> Response:
        await request.body()
        await broadcast.publish(channel="room", message="new")
        return ANSWER

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with broadcast:
            yield

    routes = [Route("/graphql", tell, methods=["POST"]), WebSocketRoute("/graphql", graphql)]
    return Starlette(routes=routes, lifespan=lifespan)
