import httpx
import pytest

from tests.http.conftest import Ask
from tests.http.toy import GOOD_TOKEN, ToyEngine


async def test_without_a_token_the_request_is_anonymous(ask: Ask, engine: ToyEngine) -> None:
    assert (await ask("{ hello }")).status_code == 200
    assert engine.tokens == [None]


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER    "])
async def test_a_token_reaches_the_engine(ask: Ask, engine: ToyEngine, scheme: str) -> None:
    response = await ask("{ hello }", headers={"authorization": f"{scheme}{GOOD_TOKEN}"})
    assert response.status_code == 200
    assert engine.tokens == [GOOD_TOKEN]


@pytest.mark.parametrize("accept", ["application/graphql-response+json", "application/json", "*/*"])
@pytest.mark.parametrize("query", ["{ hello }", "mutation { send }", "mutation { signIn send }"])
@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer expired",
        "Bearer",
        "Bearer ",
        "",
        "Basic YTpi",
        GOOD_TOKEN,
        f"Bearer {GOOD_TOKEN} x",
        "Bearer ü",
    ],
)
async def test_a_bad_token_refuses_the_whole_request(
    ask: Ask, engine: ToyEngine, accept: str, query: str, authorization: str
) -> None:
    headers = {"accept": accept, "authorization": authorization.encode("latin-1")}
    response = await ask(query, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert error["message"]
    assert "data" not in response.json()
    assert engine.journal == []


async def test_two_tokens_are_a_bad_one(http: httpx.AsyncClient) -> None:
    headers = [("authorization", f"Bearer {GOOD_TOKEN}")] * 2
    response = await http.post("/graphql", json={"query": "{ hello }"}, headers=headers)
    assert response.status_code == 401


@pytest.mark.parametrize("authorization", ["Bearer expired", "Basic YTpi", ""])
async def test_mutations_that_need_no_token_ignore_it(ask: Ask, engine: ToyEngine, authorization: str) -> None:
    query = "mutation { ...F } fragment F on Mutation { signIn refresh __typename }"
    response = await ask(query, headers={"authorization": authorization})
    assert response.json()["data"] == {
        "signIn": "signed in",
        "refresh": "refreshed",
        "__typename": "Mutation",
    }
    assert engine.tokens == [None]


async def test_the_chosen_operation_counts(ask: Ask, engine: ToyEngine) -> None:
    query = "mutation A { signIn } mutation B { send }"
    headers = {"authorization": "Bearer expired"}
    assert (await ask(query, headers=headers, operationName="A")).status_code == 200
    assert (await ask(query, headers=headers, operationName="B")).status_code == 401
