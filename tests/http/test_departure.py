"""Clients that hang up, servers that stop, and what is held while an answer is sent."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from server.graphql.execution import Execution
from server.graphql.mutations import Mutations
from server.http.graphql import GraphQL
from tests.http.conftest import Ask
from tests.http.toy import ToyEngine


class Client:
    """One POST over bare ASGI, by a client that can hang up."""

    def __init__(self, endpoint: GraphQL, query: str) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.messages.put_nowait({"type": "http.request", "body": json.dumps({"query": query}).encode()})
        self.sent: list[Any] = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "headers": [(b"content-type", b"application/json")],
        }
        self.request = asyncio.create_task(endpoint(scope, self.messages.get, self.send))

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def hang_up(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})


@pytest.fixture
def mutations() -> Mutations:
    return Mutations()


@pytest.fixture
def endpoint(engine: ToyEngine, mutations: Mutations) -> GraphQL:
    return GraphQL(Execution(engine), mutations)


async def test_a_query_ends_when_its_client_hangs_up(endpoint: GraphQL, engine: ToyEngine) -> None:
    client = Client(endpoint, "{ slow }")
    await engine.begun.wait()
    client.hang_up()
    await asyncio.wait_for(client.request, 1)
    assert engine.journal == ["opened", "begun", "cancelled", "closed"]
    assert client.sent == []
    assert len(asyncio.all_tasks()) == 1


async def test_a_query_that_is_watched_is_answered(endpoint: GraphQL, engine: ToyEngine) -> None:
    client = Client(endpoint, "{ slow }")
    await asyncio.sleep(0.1)
    engine.go_on.set()
    await asyncio.wait_for(client.request, 1)
    assert client.sent[1]["body"] == b'{"data":{"slow":"done"}}'
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


async def test_a_mutation_runs_to_its_end_when_its_client_hangs_up(endpoint: GraphQL, engine: ToyEngine) -> None:
    client = Client(endpoint, "mutation { slow }")
    await engine.begun.wait()
    client.hang_up()
    await asyncio.sleep(0.1)
    engine.go_on.set()
    await asyncio.wait_for(client.request, 1)
    assert engine.journal == ["opened", "begun", "done", "closed"]


async def test_a_mutation_runs_to_its_end_when_the_server_cancels_it(
    endpoint: GraphQL, engine: ToyEngine, mutations: Mutations
) -> None:
    client = Client(endpoint, "mutation { slow }")
    await engine.begun.wait()
    client.request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.request
    asyncio.get_running_loop().call_later(0.05, engine.go_on.set)
    await mutations.finish()
    assert engine.journal == ["opened", "begun", "done", "closed"]


async def test_a_query_that_the_server_cancels_is_cancelled(endpoint: GraphQL, engine: ToyEngine) -> None:
    client = Client(endpoint, "{ slow }")
    await engine.begun.wait()
    await asyncio.sleep(0.1)
    client.request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.request
    assert engine.journal == ["opened", "begun", "cancelled", "closed"]


async def test_a_client_that_hangs_up_before_its_body_has_come(engine: ToyEngine) -> None:
    client = Client(GraphQL(Execution(engine), Mutations()), "{ hello }")
    client.messages.get_nowait()
    client.messages.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    client.hang_up()
    await asyncio.wait_for(client.request, 1)
    assert client.sent == []
    assert engine.journal == []


async def test_the_context_is_closed_before_the_answer_is_sent(engine: ToyEngine, ask: Ask) -> None:
    seen: list[list[str]] = []

    class Slow(Client):
        async def send(self, message: Any) -> None:
            seen.append(list(engine.journal))

    await Slow(GraphQL(Execution(engine), Mutations()), "{ hello }").request
    assert seen == [["opened", "closed"]] * 2


async def test_the_application_is_left_after_its_last_mutation(app: Starlette, engine: ToyEngine) -> None:
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as http:
        post = http.post("http://parley.test/graphql", json={"query": "mutation { slow }"})
        request = asyncio.ensure_future(post)
        await engine.begun.wait()
        request.cancel()
        asyncio.get_running_loop().call_later(0.05, engine.go_on.set)
    assert engine.journal[-2:] == ["done", "closed"]
