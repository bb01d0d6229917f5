import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.graphql.execution import Execution
from server.http import health
from server.http.app import build_app
from server.http.health import NotReady
from tests.http.conftest import ORIGIN
from tests.http.toy import GOOD_TOKEN, SECRET, Row, ToyEngine

PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


def http_of(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://parley.test")


async def test_the_process_says_that_it_is_alive(http: httpx.AsyncClient) -> None:
    response = await http.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_ready_when_all_that_requests_need_is_there(http: httpx.AsyncClient) -> None:
    response = await http.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_not_ready_tells_which_part_and_nothing_of_it(engine: ToyEngine) -> None:
    async def ready() -> None:
        raise NotReady("database", "valkey") from OSError("connection to 10.0.0.7 refused")

    async with http_of(build_app(Execution(engine), allowed_origins=[], ready=ready)) as http:
        response = await http.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "failed": ["database", "valkey"]}


async def test_not_ready_when_the_check_itself_fails(engine: ToyEngine, caplog: pytest.LogCaptureFixture) -> None:
    async def ready() -> None:
        raise Row

    async with http_of(build_app(Execution(engine), allowed_origins=[], ready=ready)) as http:
        response = await http.get("/readyz")
    assert response.status_code == 503
    assert response.json()["errorId"] in caplog.text
    assert SECRET not in caplog.text + response.text


async def test_not_ready_when_a_part_does_not_answer(engine: ToyEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PATIENCE", 0.01)

    async def ready() -> None:
        await asyncio.sleep(60)

    async with http_of(build_app(Execution(engine), allowed_origins=[], ready=ready)) as http:
        response = await http.get("/readyz")
    assert (response.status_code, response.json()["failed"]) == (503, ["timeout"])


async def test_what_is_not_there_is_a_small_json(http: httpx.AsyncClient) -> None:
    response = await http.get("/nowhere")
    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})
    response = await http.post("/healthz")
    assert (response.status_code, response.json()) == (405, {"error": "Method Not Allowed"})
    assert "GET" in response.headers["allow"]


async def test_a_fault_of_another_route_has_an_id_and_no_text(
    engine: ToyEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: Request) -> Response:
        raise Row

    async def ready() -> None: ...

    app = build_app(Execution(engine), allowed_origins=[ORIGIN], ready=ready, routes=[Route("/fail", fail)])
    async with http_of(app) as http:
        response = await http.get("/fail", headers={"origin": ORIGIN})
    assert response.status_code == 500
    assert response.json()["errorId"] in caplog.text
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert SECRET not in caplog.text + response.text


async def test_the_lifespan_surrounds_the_application(engine: ToyEngine) -> None:
    journal: list[str] = []

    @asynccontextmanager
    async def lifespan(app: object) -> Any:
        journal.append("up")
        yield {"pool": "the pool"}
        journal.append("down")

    async def ready() -> None: ...

    app = build_app(Execution(engine), allowed_origins=[], ready=ready, lifespan=lifespan)
    async with app.router.lifespan_context(app) as state:
        assert state == {"pool": "the pool"}
    assert journal == ["up", "down"]


async def test_a_page_of_an_allowed_origin_may_ask(http: httpx.AsyncClient) -> None:
    response = await http.options("/graphql", headers={"origin": ORIGIN} | PREFLIGHT)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in response.headers
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{ORIGIN}.evil.example", "http://portal.example"])
async def test_a_page_of_any_other_origin_may_not(http: httpx.AsyncClient, origin: str) -> None:
    response = await http.options("/graphql", headers={"origin": origin} | PREFLIGHT)
    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers
    response = await http.post("/graphql", json={"query": "{ hello }"}, headers={"origin": origin})
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["vary"] == "Origin"


async def test_errors_can_be_read_by_an_allowed_page(http: httpx.AsyncClient) -> None:
    headers = {"origin": ORIGIN, "authorization": "Bearer expired"}
    response = await http.post("/graphql", json={"query": "{ hello }"}, headers=headers)
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("token", [[], [GOOD_TOKEN]])
def test_a_page_of_another_origin_asks_a_real_server(
    node: Callable[..., str], server_url: str, token: list[str]
) -> None:
    allowed = json.loads(node("page.mjs", f"{server_url}/graphql", ORIGIN, *token))
    assert allowed == {"status": 200, "vary": "Origin", "answer": {"data": {"hello": "hello world"}}}
    refused = json.loads(node("page.mjs", f"{server_url}/graphql", "https://evil.example", *token))
    assert refused == {"blocked": "preflight"}
