"""What is a request, and how it is refused when it isn't one."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.http.conftest import Ask

GRAPHQL = "application/graphql-response+json"


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    assert "data" not in response.json()
    return str(error["extensions"]["code"])


async def test_a_query_is_answered_in_the_type_that_was_asked_for(http: httpx.AsyncClient) -> None:
    for accept in (GRAPHQL, "application/json"):
        response = await http.post("/graphql", json={"query": "{ hello }"}, headers={"accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"
        assert response.json() == {"data": {"hello": "hello world"}}


async def test_a_query_can_be_a_link(http: httpx.AsyncClient) -> None:
    query = "query A($name: String!) { hello(name: $name) } query B { hello }"
    params = {"query": query, "variables": '{"name": "ü & co"}', "operationName": "A", "extensions": ""}
    response = await http.get("/graphql", params=params)
    assert response.json() == {"data": {"hello": "hello ü & co"}}


async def test_head_is_answered_as_get(http: httpx.AsyncClient) -> None:
    response = await http.head("/graphql", params={"query": "{ hello }"})
    assert response.status_code == 200


@pytest.mark.parametrize("body", [{"operationName": ""}, {"operationName": None}, {"variables": None}])
async def test_empty_is_absent(ask: Ask, body: dict[str, Any]) -> None:
    assert (await ask("{ hello }", **body)).json() == {"data": {"hello": "hello world"}}


async def test_extensions_reach_the_resolvers(ask: Ask) -> None:
    response = await ask("{ extensions }", extensions={"a": 1})
    assert response.json() == {"data": {"extensions": {"a": 1}}}


@pytest.mark.parametrize("accept", [GRAPHQL, "application/json"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"null",
        b'"{ hello }"',
        b"[]",
        b'[{"query": "{ hello }"}]',
        b"{}",
        b'{"query": null}',
        b'{"query": 1}',
        b'{"query": "{ hello }", "variables": [1]}',
        b'{"query": "{ hello }", "variables": "{}"}',
        b'{"query": "{ hello }", "extensions": []}',
        b'{"query": "{ hello }", "operationName": 1}',
        b'{"query": "{ hello }", "variables": {"a": NaN}}',
        b'{"query": "{ hello }", "variables": {"a": "\xff"}}',
        b'{"query": "{ hello }", "variables": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    ],
)
async def test_a_malformed_request_is_400(http: httpx.AsyncClient, accept: str, body: bytes) -> None:
    headers = {"content-type": "application/json", "accept": accept}
    response = await http.post("/graphql", content=body, headers=headers)
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")
    assert response.headers["content-type"].startswith(accept)


@pytest.mark.parametrize("name", ["variables", "extensions"])
async def test_what_is_too_deep_to_be_walked_through_is_400(ask: Ask, name: str) -> None:
    deep: Any = {}
    for _ in range(99):
        deep = {"a": deep}
    assert (await ask("{ hello }", **{name: deep})).status_code == 200
    response = await ask("{ hello }", **{name: {"a": [deep]}})
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")
    assert "100 levels" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "params",
    [
        "",
        "query=",
        "query={hello}&variables=nonsense",
        "query={hello}&variables=[]",
        "query={hello}&variables=%ff",
        "query={hello}&extensions=1",
        "query=%ff",
        "&".join(f"a{n}=1" for n in range(200)),
    ],
)
async def test_a_malformed_link_is_400(http: httpx.AsyncClient, params: str) -> None:
    response = await http.get(f"/graphql?{params}")
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
    ],
)
async def test_only_json_is_taken(http: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = await http.post("/graphql", content=b'{"query": "{ hello }"}', headers=headers)
    assert (response.status_code, code(response)) == (415, "BAD_USER_INPUT")


@pytest.mark.parametrize("content_type", ['application/json;charset="UTF-8"', "APPLICATION/JSON ; charset=utf8"])
async def test_utf8_may_be_named(http: httpx.AsyncClient, content_type: str) -> None:
    headers = {"content-type": content_type}
    response = await http.post("/graphql", content=b'{"query": "{ hello }"}', headers=headers)
    assert response.status_code == 200


async def test_a_client_that_takes_neither_type_gets_406(http: httpx.AsyncClient) -> None:
    response = await http.post("/graphql", json={"query": "{ hello }"}, headers={"accept": "text/html"})
    assert (response.status_code, code(response)) == (406, "BAD_USER_INPUT")
    assert response.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_405(http: httpx.AsyncClient, method: str) -> None:
    response = await http.request(method, "/graphql")
    assert (response.status_code, code(response)) == (405, "BAD_USER_INPUT")
    assert response.headers["allow"] == "GET, POST"


async def test_a_mutation_is_not_a_link(http: httpx.AsyncClient) -> None:
    params = {"query": "query A { hello } mutation B { send }", "operationName": "B"}
    response = await http.get("/graphql", params=params)
    assert (response.status_code, code(response)) == (405, "BAD_USER_INPUT")
    assert response.headers["allow"] == "POST"
    assert (await http.get("/graphql", params=params | {"operationName": "A"})).status_code == 200


async def test_a_subscription_is_not_a_post(ask: Ask) -> None:
    response = await ask("subscription { tick }")
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")


async def test_a_body_over_a_mebibyte_is_413(http: httpx.AsyncClient) -> None:
    body = b'{"query": "{ hello }", "variables": {"a": "' + b"x" * 1024 * 1024 + b'"}}'
    headers = {"content-type": "application/json"}
    announced = await http.post("/graphql", content=body, headers=headers)
    assert (announced.status_code, code(announced)) == (413, "BAD_USER_INPUT")

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    chunked = await http.post("/graphql", content=pieces(), headers=headers)
    assert (chunked.status_code, code(chunked)) == (413, "BAD_USER_INPUT")


async def test_a_body_may_come_in_pieces(http: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in b'{"query": "{ hello }"}':
            yield bytes([byte])

    response = await http.post("/graphql", content=pieces(), headers={"content-type": "application/json"})
    assert response.json() == {"data": {"hello": "hello world"}}


async def test_a_lone_surrogate_is_answered_at_its_field(http: httpx.AsyncClient) -> None:
    body = b'{"query": "query($name: String!) { hello(name: $name) }", "variables": {"name": "\\ud800"}}'
    response = await http.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert response.json() == {"data": {"hello": "hello \ud800"}}
    assert response.content.isascii()


async def test_numbers_past_64_bits_come_back(ask: Ask) -> None:
    assert (await ask("{ huge }")).json() == {"data": {"huge": 2**80}}


async def test_nothing_is_cached_or_sniffed(ask: Ask) -> None:
    headers = (await ask("{ hello }")).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
