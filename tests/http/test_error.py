"""What is told of an error, and what only the log knows."""

import logging
from typing import Any

import httpx
import pytest
from graphql import GraphQLError
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError

from server.fault import record
from server.graphql.error import of_execution
from tests.http.conftest import Ask
from tests.http.toy import SECRET, Code, Row, ToyEngine, ToyError


def codes(response: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in response.json()["errors"]]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ('{ hello(name: "\ud800") }', "GRAPHQL_PARSE_FAILED"),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ hello(name: 1) }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ even(value: 3) }", "BAD_USER_INPUT"),
        ("{ __typename }" + " query A { hello }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT"),
        ("query A($id: ID!) { hello }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A($value: Even!) { even(value: $value) }", "BAD_USER_INPUT"),
        ("{ leaf { leaf" * 15 + "{ name }" + "} }" * 15, "QUERY_TOO_COMPLEX"),
    ],
)
async def test_a_refused_operation_has_a_code_and_no_data(ask: Ask, query: str, code: str) -> None:
    response = await ask(query)
    assert response.status_code == 400
    assert set(codes(response)) == {code}
    assert "data" not in response.json()
    legacy = await ask(query, headers={"accept": "application/json"})
    assert legacy.status_code == 200
    assert legacy.json() == response.json()


async def test_an_unknown_operation_is_told_in_short(ask: Ask) -> None:
    response = await ask("query A { hello }", operationName="\ud800" + "x" * 100_000)
    assert codes(response) == ["BAD_USER_INPUT"]
    assert len(response.json()["errors"][0]["message"]) == 300


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query($value: Even!) { even(value: $value) }", {"value": 3}),
        ("query($value: Even!) { even(value: $value) }", {"value": None}),
        ("query($value: Even!) { even(value: $value) }", {"value": "x" * 100_000}),
        ("query($value: Even!) { even(value: $value) }", {"value": 2**80 + 1}),
        ("query($letter: Letter!) { letter(letter: $letter) }", {"letter": {"body": 1, "numbers": []}}),
        ("query($letter: Letter!) { letter(letter: $letter) }", {"letter": {"body": "", "numbers": [2**40]}}),
        ("query($letter: Letter!) { letter(letter: $letter) }", {"letter": {"more": 1}}),
        ("query($value: Either!) { either(value: $value) }", {"value": {"left": "a", "right": "b"}}),
        ("query($value: Either!) { either(value: $value) }", {"value": {}}),
    ],
)
async def test_variables_of_a_wrong_kind(ask: Ask, query: str, variables: dict[str, Any]) -> None:
    response = await ask(query, variables=variables)
    assert set(codes(response)) == {"BAD_USER_INPUT"}
    for error in response.json()["errors"]:
        assert len(error["message"]) <= 300
        assert "internal" not in error["message"]


async def test_a_value_that_only_the_variables_make_wrong(ask: Ask) -> None:
    query = 'query($value: String = "x") { nothing(value: $value) }'
    response = await ask(query, variables={"value": None})
    assert codes(response) == ["BAD_USER_INPUT"]


async def test_a_scalars_public_error_keeps_its_words(ask: Ask) -> None:
    query = "query($value: Even!) { even(value: $value) }"
    for response in (await ask(query, variables={"value": "public"}), await ask('{ even(value: "public") }')):
        assert codes(response) == ["BAD_USER_INPUT"]
        assert response.json()["errors"][0]["message"] == "The number has been refused."


async def test_a_public_error_of_a_resolver_keeps_its_code_and_words(ask: Ask) -> None:
    response = await ask("{ hello forbidden }")
    assert response.status_code == 200
    assert response.json() == {
        "errors": [
            {
                "message": "Only its creator may do that.",
                "locations": [{"line": 1, "column": 9}],
                "path": ["forbidden"],
                "extensions": {"code": "FORBIDDEN"},
            }
        ],
        "data": {"hello": "hello world", "forbidden": None},
    }


async def test_an_unexpected_error_has_an_id_which_the_log_has_with_the_traceback(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    response = await ask("{ broken }")
    (error,) = response.json()["errors"]
    assert response.json()["data"] == {"broken": None}
    assert error["message"] == "Internal server error"
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    (entry,) = caplog.records
    assert entry.name == "parley.graphql"
    assert entry.levelno == logging.ERROR
    text = entry.getMessage()
    assert error["extensions"]["errorId"] in text
    assert "in broken" in text
    assert "builtins.RuntimeError: the reason\\nin two lines" in text


async def test_an_error_in_a_field_that_can_not_be_null_takes_the_data(ask: Ask) -> None:
    response = await ask("{ brokenWholly }")
    assert response.status_code == 200
    assert response.json()["data"] is None
    assert codes(response) == ["INTERNAL_SERVER_ERROR"]


async def test_one_fault_on_every_row_is_logged_once(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    response = await ask("{ leaves(count: 50) { fragile } }")
    ids = {error["extensions"]["errorId"] for error in response.json()["errors"]}
    assert len(response.json()["errors"]) == 50
    assert len(ids) == len(caplog.records) == 1


async def test_a_database_error_tells_the_log_no_row(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    response = await ask("{ brokenByARow }")
    assert codes(response) == ["INTERNAL_SERVER_ERROR"]
    assert "sqlstate=23505" in caplog.text
    assert "which led to" in caplog.text
    assert "no such thing" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in response.text


async def test_a_value_that_does_not_fit_its_field_is_not_told(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    response = await ask("{ noText }")
    assert codes(response) == ["INTERNAL_SERVER_ERROR"]
    assert "at noText" in caplog.text
    assert SECRET not in caplog.text + response.text


def test_other_carriers_of_values_tell_the_log_none(caplog: pytest.LogCaptureFixture) -> None:
    class Model(BaseModel):
        number: int

    with pytest.raises(ValidationError) as refused:
        Model.model_validate({"number": SECRET})
    statement = IntegrityError(f"INSERT {SECRET}", {"body": SECRET}, Row())
    group = ExceptionGroup("several", [Row(), refused.value, statement])
    record(logging.getLogger("parley.http"), group)
    assert "ValidationError" in caplog.text
    assert "IntegrityError" in caplog.text
    assert SECRET not in caplog.text


async def test_errors_come_in_the_order_of_their_paths(ask: Ask) -> None:
    response = await ask("{ a: later(milliseconds: 20, fail: true) b: later(milliseconds: 1, fail: true) }")
    assert [error["path"] for error in response.json()["errors"]] == [["a"], ["b"]]


def test_paths_of_numbers_and_names_have_an_order() -> None:
    paths: list[list[str | int] | None] = [["b", 10, "a"], ["b", 2], None, ["a"], ["b"]]
    told = of_execution([GraphQLError("x", path=path, original_error=ToyError(Code.FORBIDDEN, "x")) for path in paths])
    assert [error.get("path") for error in told] == [None, ["a"], ["b"], ["b", 2], ["b", 10, "a"]]


@pytest.mark.parametrize("when", ["on_open", "on_close"])
@pytest.mark.parametrize("query", ["{ hello }", "mutation { send }"])
async def test_a_fault_around_the_execution(
    ask: Ask, engine: ToyEngine, when: str, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(engine, when, Row())
    response = await ask(query)
    assert response.status_code == 500
    assert codes(response) == ["INTERNAL_SERVER_ERROR"]
    assert response.json()["errors"][0]["extensions"]["errorId"] in caplog.text
    assert "data" not in response.json()
    assert SECRET not in caplog.text + response.text


async def test_a_public_error_around_the_execution(ask: Ask, engine: ToyEngine) -> None:
    engine.on_open = ToyError(Code.RATE_LIMITED, "Slow down.")
    response = await ask("{ hello }")
    assert response.status_code == 400
    assert response.json() == {"errors": [{"message": "Slow down.", "extensions": {"code": "RATE_LIMITED"}}]}
