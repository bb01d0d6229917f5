"""Queries and mutations over a socket: what they give, and that it is what they give over HTTP."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from server.connections import Bounds
from server.graphql.engine import Unauthenticated
from server.graphql.execution import Execution
from server.graphql.strangers import Strangers
from server.http.app import build_app
from tests.http.toy import GOOD_TOKEN, SECRET, Code, Row, ToyEngine, ToyError
from tests.websocket.conftest import SECONDS, SIGNED_IN, Client, Dial, Server, serving, until
from tests.websocket.toy import ToyStreams


async def test_a_query_gives_one_result_and_is_complete(client: Client) -> None:
    await client.subscribe("1", "query Q($name: String!) { hello(name: $name) }", variables={"name": "cleo"})
    assert await client.hear() == {"id": "1", "type": "next", "payload": {"data": {"hello": "hello cleo"}}}
    assert await client.hear() == {"id": "1", "type": "complete"}
    await client.settled()


async def test_a_mutation_gives_one_result_and_is_complete(client: Client) -> None:
    await client.subscribe("1", "mutation { send }")
    assert await client.hear() == {"id": "1", "type": "next", "payload": {"data": {"send": "sent"}}}
    assert await client.hear() == {"id": "1", "type": "complete"}


async def test_the_operation_is_chosen_by_its_name(client: Client) -> None:
    answer = await client.ask("query A { hello } query B { leaf { name } }", operationName="B")
    assert answer["payload"] == {"data": {"leaf": {"name": "root"}}}


async def test_extensions_reach_the_operation(client: Client) -> None:
    answer = await client.ask("{ extensions }", extensions={"trace": {"id": 7}})
    assert answer["payload"] == {"data": {"extensions": {"trace": {"id": 7}}}}


ASKED: dict[str, dict[str, Any]] = {
    "a result": {"query": "{ hello }"},
    "a partial result": {"query": "{ hello broken }"},
    "no data after an error": {"query": "{ hello brokenWholly }"},
    "several errors": {"query": "{ leaves { fragile } }"},
    "a public error": {"query": "{ hello forbidden }"},
    "a number past 64 bits": {"query": "{ huge }"},
    "a lone surrogate": {"query": "query Q($name: String!) { hello(name: $name) }", "variables": {"name": "\ud800"}},
    "a syntax error": {"query": "{ hello"},
    "an empty document": {"query": ""},
    "a name that is not there": {"query": "{ hullo }"},
    "too complex": {"query": "{ " + "x: hello " * 3000 + "}"},
    "too deep": {"query": "{ " + "leaf { " * 30 + "name" + " }" * 30 + " }"},
    "wrong variables": {"query": "query Q($value: Even!) { even(value: $value) }", "variables": {"value": "seven"}},
    "a missing variable": {"query": "query Q($value: Even!) { even(value: $value) }"},
    "no such operation": {"query": "query A { hello }", "operationName": "B"},
    "no operation named": {"query": "query A { hello } query B { hello }"},
}


@pytest.mark.parametrize("members", ASKED.values(), ids=ASKED)
async def test_answers_are_those_of_http(
    client: Client, app: Starlette, caplog: pytest.LogCaptureFixture, members: dict[str, Any]
) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://parley.test") as http:
        headers = {"content-type": "application/json"}
        expected = (await http.post("/graphql", content=json.dumps(members), headers=headers)).json()
    answer = await client.ask(**members)
    if "data" in expected:
        assert (answer["type"], _without_ids(answer["payload"])) == ("next", _without_ids(expected))
    else:
        assert (answer["type"], answer["payload"]) == ("error", expected["errors"])
    await client.settled()
    caplog.clear()


def _without_ids(payload: Any) -> Any:
    for error in payload.get("errors", ()):
        error["extensions"].pop("errorId", None)
    return payload


async def test_an_operation_that_fails_leaves_the_others_alone(client: Client, engine: ToyEngine) -> None:
    await client.subscribe("slow", "{ slow }")
    await engine.begun.wait()
    assert (await client.ask("{ hello"))["type"] == "error"
    engine.go_on.set()
    assert (await client.hear())["payload"] == {"data": {"slow": "done"}}


async def test_operations_run_beside_each_other(client: Client, engine: ToyEngine) -> None:
    await client.subscribe("slow", "mutation { slow }")
    await engine.begun.wait()
    assert (await client.ask("mutation { send }"))["payload"] == {"data": {"send": "sent"}}
    assert (await client.ask("{ hello }"))["payload"] == {"data": {"hello": "hello world"}}
    engine.go_on.set()
    assert (await client.hear())["id"] == "slow"


async def test_an_id_can_be_used_again_after_its_end(client: Client) -> None:
    for _ in range(3):
        assert (await client.ask("{ hello }"))["type"] == "next"
        assert (await client.ask("{ hello"))["type"] == "error"


@pytest.mark.parametrize("query", ["{ slow }", "mutation { slow }", "subscription { tick }"])
@pytest.mark.parametrize("again", ["{ hello }", "{ hello", "mutation { send }", "subscription { tick }"])
async def test_an_id_in_use_closes_the_socket(client: Client, engine: ToyEngine, query: str, again: str) -> None:
    await client.subscribe("the same", query)
    await client.settled()
    await client.subscribe("the same", again)
    assert await client.closed() == (4409, "Subscriber for the same already exists")
    engine.go_on.set()


@pytest.mark.parametrize("bounds", [Bounds(operations=3)])
async def test_so_many_operations_at_once_and_no_more(client: Client, engine: ToyEngine) -> None:
    for id in ("1", "2", "3"):
        await client.subscribe(id, "{ slow }")
    answer = await client.ask("{ hello }")
    assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
    assert answer["payload"][0]["message"] == "At most 3 operations at once on a connection."
    await client.complete("2")
    assert (await client.ask("{ hello }"))["type"] == "next"
    await client.settled()


@pytest.mark.parametrize("bounds", [Bounds(asked=10_000)])
@pytest.mark.parametrize("query", ["{ slow }", "mutation { slow }", "subscription { tick }"])
async def test_what_operations_keep_of_their_messages_is_bounded(
    client: Client, engine: ToyEngine, streams: ToyStreams, query: str
) -> None:
    """A message has up to 1 MiB, which is many times that in objects, and stays while its operation waits or runs."""
    long = {"trace": "x" * 6_000}
    await client.subscribe("1", query, extensions=long)
    await client.settled()
    answer = await client.ask("{ hello }", extensions=long)
    assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
    assert (await client.ask("{ hello }"))["type"] == "next"
    await client.complete("1")
    if query.startswith("mutation"):  # it runs on
        assert (await client.ask("{ hello }", extensions=long))["type"] == "error"
        engine.go_on.set()
    await until(lambda: engine.journal.count("closed") == engine.journal.count("opened"))
    await client.settled()
    assert (await client.ask("{ hello }", extensions=long))["type"] == "next"


async def test_new_documents_of_who_has_not_signed_in_are_limited_as_by_http(
    engine: ToyEngine, streams: ToyStreams
) -> None:
    async def ready() -> None: ...

    execution = Execution(engine, strangers=Strangers(seconds=0))
    large = "{ hello } # " + "x" * 1_000
    async with serving(build_app(execution, allowed_origins=[], ready=ready, streams=streams)) as server:
        async with server.dial() as client:
            await client.init()
            answer = await client.ask(large)
            assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
            assert (await client.ask("{ hello }"))["type"] == "next"
        async with server.dial() as client:
            await client.init(**SIGNED_IN)
            assert (await client.ask(large))["type"] == "next"


async def test_public_mutations_need_no_sign_in(dial: Dial, engine: ToyEngine) -> None:
    client = await dial()
    await client.init(**SIGNED_IN)
    for mutation in ("signIn", "refresh", "signIn again: refresh __typename"):
        assert (await client.ask(f"mutation {{ {mutation} }}"))["type"] == "next"
    await client.ask("mutation { signIn send }")
    assert engine.tokens == [None, None, None, GOOD_TOKEN]


@pytest.mark.parametrize("query", ["{ hello }", "mutation { send }"])
async def test_a_sign_in_that_ends_ends_the_connection(dial: Dial, engine: ToyEngine, query: str) -> None:
    client = await dial()
    await client.init(**SIGNED_IN)
    engine.on_open = Unauthenticated()
    await client.subscribe("1", query)
    assert await client.closed() == (4403, "Forbidden: The access token is invalid or has expired.")


@pytest.mark.parametrize("query", ["{ hello }", "mutation { send }", "mutation { signIn }"])
async def test_who_is_not_signed_in_is_told_so(client: Client, engine: ToyEngine, query: str) -> None:
    engine.on_open = Unauthenticated()
    answer = await client.ask(query)
    assert (answer["type"], answer["payload"][0]["extensions"]) == ("error", {"code": "UNAUTHENTICATED"})
    engine.on_open = None
    assert (await client.ask(query))["type"] == "next"


async def test_a_public_exception_outside_a_field_is_an_error(client: Client, engine: ToyEngine) -> None:
    engine.on_open = ToyError(Code.FORBIDDEN, "Only its creator may do that.")
    assert (await client.ask("{ hello }"))["payload"] == [
        {"message": "Only its creator may do that.", "extensions": {"code": "FORBIDDEN"}}
    ]


@pytest.mark.parametrize("attribute", ["on_open", "on_close"])
async def test_a_fault_has_an_id_and_no_text(
    client: Client, engine: ToyEngine, caplog: pytest.LogCaptureFixture, attribute: str
) -> None:
    setattr(engine, attribute, Row())
    answer = await client.ask("{ hello }")
    (error,) = answer["payload"]
    assert (answer["type"], error["message"]) == ("error", "Internal server error")
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["extensions"]["errorId"] in caplog.text
    assert SECRET not in caplog.text
    caplog.clear()


async def test_a_query_ends_when_its_client_completes_it(client: Client, engine: ToyEngine) -> None:
    await client.subscribe("1", "{ slow }")
    await engine.begun.wait()
    await client.complete("1")
    await client.settled()
    await until(lambda: engine.journal[-1] == "closed")
    assert engine.journal == ["opened", "begun", "cancelled", "closed"]
    await client.settled()


async def test_a_query_ends_when_its_client_goes(client: Client, engine: ToyEngine, server: Server) -> None:
    await client.subscribe("1", "{ slow }")
    await engine.begun.wait()
    client.wire.transport.abort()
    await server.left()
    assert engine.journal == ["opened", "begun", "cancelled", "closed"]


async def test_a_mutation_that_its_client_completes_runs_to_its_end_and_says_nothing(
    client: Client, engine: ToyEngine
) -> None:
    await client.subscribe("1", "mutation { slow }")
    await engine.begun.wait()
    await client.complete("1")
    await client.subscribe("1", "{ hello }")
    assert (await client.hear())["payload"] == {"data": {"hello": "hello world"}}
    assert await client.hear() == {"id": "1", "type": "complete"}
    engine.go_on.set()
    await until(lambda: engine.journal.count("closed") == 2)
    await client.settled()
    assert "cancelled" not in engine.journal


@pytest.mark.parametrize("how", ["goes", "breaks the protocol"])
async def test_a_mutation_runs_to_its_end_when_its_client_goes(
    client: Client, engine: ToyEngine, server: Server, how: str
) -> None:
    await client.subscribe("1", "mutation { slow }")
    await engine.begun.wait()
    if how == "goes":
        client.wire.transport.abort()
    else:
        await client.wire.send("no JSON")
    await asyncio.wait_for(server.left(), SECONDS)
    assert engine.journal == ["opened", "begun"]
    engine.go_on.set()
    await until(lambda: engine.journal[-1] == "closed")
    assert engine.journal == ["opened", "begun", "done", "closed"]


async def test_a_server_that_stops_waits_for_mutations(client: Client, engine: ToyEngine, server: Server) -> None:
    await client.subscribe("1", "mutation { slow }")
    await engine.begun.wait()
    stopping = asyncio.create_task(server.stop())
    assert (await client.closed())[0] == 1012
    asyncio.get_running_loop().call_later(0.3, engine.go_on.set)
    await stopping
    assert engine.journal == ["opened", "begun", "done", "closed"]
