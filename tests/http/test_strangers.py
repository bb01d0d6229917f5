"""Who is a stranger to the limit on new documents."""

import pytest

from server.graphql.execution import Execution
from server.graphql.strangers import Strangers
from server.http.app import build_app
from tests.http.conftest import ORIGIN, Ask
from tests.http.toy import GOOD_TOKEN, ToyEngine

LARGE = "# " + "x" * 1_000


@pytest.fixture
def app(engine: ToyEngine) -> object:
    """Nothing is left for strangers."""

    async def ready() -> None: ...

    return build_app(Execution(engine, strangers=Strangers(seconds=0)), allowed_origins=[ORIGIN], ready=ready)


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer expired"}, {"authorization": "Basic YTpi"}])
async def test_who_sends_no_valid_token_is_refused_as_a_document_is(ask: Ask, headers: dict[str, str]) -> None:
    response = await ask("{ hello }" + LARGE, headers=headers)
    assert response.status_code == 400
    assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["RATE_LIMITED"]
    response = await ask("{ hello }" + LARGE, headers={**headers, "accept": "application/json"})
    assert response.status_code == 200


async def test_who_has_signed_in_is_served_and_from_then_on_everybody(ask: Ask) -> None:
    good = {"authorization": f"Bearer {GOOD_TOKEN}"}
    for query in ("{ hello }", "mutation { signIn }"):  # the latter is executed as nobody's
        assert "data" in (await ask(query + LARGE, headers=good)).json()
        assert "data" in (await ask(query + LARGE)).json()


async def test_a_bad_token_is_answered_as_ever_where_the_document_is_small(ask: Ask) -> None:
    bad = {"authorization": "Bearer expired"}
    assert (await ask("{ hello }", headers=bad)).status_code == 401
    assert (await ask("mutation { signIn }", headers=bad)).status_code == 200
