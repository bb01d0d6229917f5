"""Where the schema is not to be asked for, nothing tells of it: by HTTP, by a socket, at its start or in its errors."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from resolvers.process import Process
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.http.app import build_app
from server.hub.hub import Hub
from tests.cast import Person
from tests.http.conftest import ORIGIN
from tests.websocket.conftest import Client, Server, serving

SCHEMA = [
    "{ __schema { types { name } } }",
    '{ __type(name: "Room") { fields { name } } }',
    "{ ...F } fragment F on Query { ... on Query { a: __schema { queryType { name } } } }",
    '{ node(id: "x") { id } ... @include(if: false) { __schema { queryType { name } } } }',
]
MISSPELT: list[tuple[str, dict[str, Any]]] = [
    ("{ viewr { id } }", {}),
    ("{ rooms(frst: 1) { nodes { id } } }", {}),
    ("{ rooms { nodes { nam } } }", {}),
    ('{ node(id: "x") { ... on Rom { id } } }', {}),
    ("query ($n: Itn) { rooms(first: $n) { nodes { id } } }", {}),
    ("query ($n: Int) { rooms(first: $m) { nodes { id } } }", {}),
    ("{ viewer @includ(if: true) { id } }", {}),
    ("{ ...G } fragment F on Query { viewer { id } }", {}),
    ('mutation { renameRoom(input: {roomId: "x", nam: "y"}) { room { id } } }', {}),
    ("mutation ($i: RenameRoomInput!) { renameRoom(input: $i) { room { id } } }", {"i": {"roomId": "x", "nam": "y"}}),
    ("subscription { messageAdde(roomId: 1) { cursor } }", {}),
    ("subscription { messageAdded(roomI: 1) { cursor } }", {}),
    ("subscription ($room: ID!) { messageAdded(roomId: $room) { curso } }", {"room": "x"}),
    ("subscription ($room: ID!) { messageAdded(roomId: $room) { cursor } }", {"room": {"a": 1}}),
]


class Silence:
    @asynccontextmanager
    async def heard(self, workspace_id: UUID, tell: Any) -> AsyncIterator[None]:
        yield


@pytest.fixture
async def server(process: Process) -> AsyncIterator[Server]:
    async def ready() -> None: ...

    execution = Execution(ParleyEngine(process), introspection=False)
    hub = Hub(process, execution, Silence())
    await hub.open()
    async with serving(build_app(execution, allowed_origins=[ORIGIN], ready=ready, streams=hub)) as up:
        yield up
    await hub.close()


@pytest.fixture
async def http(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{server.address}") as client:
        yield client


@pytest.fixture
async def sockets(server: Server, cleo: Person) -> AsyncIterator[list[Client]]:
    """Of a stranger and of a client."""
    async with server.dial() as stranger, server.dial() as client:
        await stranger.init()
        await client.init(authorization=f"Bearer {cleo.token}")
        yield [stranger, client]


async def answers(http: httpx.AsyncClient, sockets: list[Client], query: str, variables: Any) -> AsyncIterator[Any]:
    body = {"query": query, "variables": variables}
    yield (await http.post("/graphql", json=body)).json()
    yield (await http.get("/graphql", params={"query": query, "variables": json.dumps(variables)})).json()
    for socket in sockets:
        said = await socket.ask(query, variables=variables)
        assert said["type"] == "error"
        yield {"errors": said["payload"]}


@pytest.mark.parametrize("query", SCHEMA)
async def test_the_schema_is_not_told(http: httpx.AsyncClient, sockets: list[Client], query: str) -> None:
    async for answer in answers(http, sockets, query, {}):
        assert "data" not in answer
        assert {each["extensions"]["code"] for each in answer["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}


@pytest.mark.parametrize(("query", "variables"), MISSPELT)
async def test_errors_suggest_nothing(
    http: httpx.AsyncClient, sockets: list[Client], query: str, variables: dict[str, Any]
) -> None:
    async for answer in answers(http, sockets, query, variables):
        assert answer["errors"]
        assert "Did you mean" not in json.dumps(answer)


async def test_what_is_executed_may_be_named(http: httpx.AsyncClient, sockets: list[Client]) -> None:
    answer = await http.post("/graphql", json={"query": "{ __typename }"})
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert (await sockets[0].ask("{ __typename }"))["payload"] == {"data": {"__typename": "Query"}}
