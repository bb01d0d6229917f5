"""How large an answer may be, and how large what is executed with each event."""

from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLError

from resolvers.process import Process
from server.engine import ParleyEngine
from server.graphql.asked import Asked
from server.graphql.document import Invalid
from server.graphql.execution import Execution, TooLarge
from server.graphql.limits import Limits
from server.http.app import build_app
from tests.cast import Person
from tests.http.toy import ToyEngine
from tests.live.phone import TEXTS
from tests.websocket.conftest import serving


@pytest.fixture
def execution(process: Process) -> Execution:
    return Execution(ParleyEngine(process), limits=Limits(bytes=10_000, errors=3))


async def test_an_answer_is_bounded_in_bytes_whatever_its_values_count_for(ada: Person) -> None:
    room = await ada.make_room()
    for _ in range(5):
        await ada.send(room, "ü" * 10_000)
    aliases = " ".join(f"a{number}: body" for number in range(99))
    query = f"query ($room: ID!) {{ room(id: $room) {{ messages(first: 5) {{ nodes {{ {aliases} }} }} }} }}"
    answer = await ada.answer(query, room=room)
    assert "data" not in answer
    assert [each["extensions"]["code"] for each in answer["errors"]] == ["QUERY_TOO_COMPLEX"]
    few = query.replace(aliases, "body")
    assert len((await ada.ask(few, room=room))["room"]["messages"]["nodes"]) == 5


@pytest.mark.parametrize("first", [1, 100])
def test_what_could_be_large_is_measured_before_it_is_written(
    execution: Execution, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    query = "query ($n: Int) { rooms(first: $n) { nodes { messages(first: 50) { nodes { body } } } } }"
    prepared = execution.prepare(Asked(query, None, {"n": first}, {}))
    small, large = ExecutionResult({"body": "x" * 5_000}, None), ExecutionResult({"body": "x" * 20_000}, None)
    assert len(execution.encoded(prepared, small)) < 10_000
    written: list[Any] = []
    monkeypatch.setattr("server.graphql.execution.encoded", lambda result: written.append(result) or b"x" * 20_000)
    with pytest.raises(TooLarge):
        execution.encoded(prepared, large)
    assert len(written) == (1 if first == 1 else 0)


async def test_a_socket_is_told_the_same_and_goes_on() -> None:
    async def ready() -> None: ...

    app = build_app(Execution(ToyEngine(), limits=Limits(bytes=1_000)), allowed_origins=[], ready=ready)
    async with serving(app) as server, server.dial() as client:
        await client.init()
        said = await client.ask("{ leaves(count: 100) { name } }")
        assert said["type"] == "error"
        assert [each["extensions"]["code"] for each in said["payload"]] == ["QUERY_TOO_COMPLEX"]
        assert (await client.ask("{ leaves(count: 10) { name } }"))["type"] == "next"


def test_errors_are_bounded(execution: Execution) -> None:
    prepared = execution.prepare(Asked("{ viewer { id } }", None, {}, {}))
    with pytest.raises(TooLarge):
        execution.encoded(prepared, ExecutionResult({}, [GraphQLError("")] * 4))


def test_a_mutation_whose_answer_is_too_large_says_that_it_is_done(execution: Execution) -> None:
    prepared = execution.prepare(Asked("mutation { signOut { userErrors { code } } }", None, {}, {}))
    with pytest.raises(TooLarge, match="has been done"):
        execution.encoded(prepared, ExecutionResult({"body": "x" * 20_000}, None))


def test_an_alias_is_bounded_as_it_stands_with_each_row(execution: Execution) -> None:
    execution.prepare(Asked(f"{{ {'a' * 256}: viewer {{ id }} }}", None, {}, {}))
    with pytest.raises(Invalid) as refused:
        execution.prepare(Asked(f"{{ {'a' * 257}: viewer {{ id }} }}", None, {}, {}))
    assert refused.value.code == "QUERY_TOO_COMPLEX"


AROUND = """
    subscription ($around: ID!) { messageAdded(roomId: 1) { room { messages(around: $around) { nodes { id } } } } }
"""


def pages(values: int) -> str:
    selected = " ".join(f"x{number}: id" for number in range(values))
    return (
        f"subscription {{ messageAdded(roomId: 1) {{ room {{ messages(first: 100) {{ nodes {{ {selected} }} }} }} }} }}"
    )


@pytest.mark.parametrize(
    ("query", "variables", "text"),
    [
        (TEXTS + " " * 20_000, {}, "20,000 characters"),
        (TEXTS, {"room": "x" * 20_000}, None),
        (AROUND, {"around": "x" * 20_000}, "20,000 bytes"),
        (TEXTS.replace("cursor", "cursor" + " ... @include(if: true) { cursor }" * 180), {}, "1,500 tokens"),
        (pages(98), {}, None),
        (pages(100), {}, "10,000 values"),
    ],
)
def test_what_is_subscribed_to_is_smaller(
    process: Process, query: str, variables: dict[str, Any], text: str | None
) -> None:
    execution = Execution(ParleyEngine(process))
    if text is None:
        execution.prepare(Asked(query, None, variables, {}))
        return
    with pytest.raises(Invalid) as refused:
        execution.prepare(Asked(query, None, variables, {}))
    assert refused.value.code == "QUERY_TOO_COMPLEX"
    assert text in str(refused.value.errors[0])
