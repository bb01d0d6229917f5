"""Issuers with real API processes: by the settings, on several nodes, and how streams end with their token."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from server.embedded.valkey import EmbeddedValkey
from tests.api import PATIENCE, Api, dialled, serving
from tests.cast import NORTHWIND, Member, Person
from tests.identity.conftest import WHO
from tests.identity.oidc import AUDIENCE, Oidc
from tests.races import rows
from tests.sse.events import Events

EVENTS = "subscription { viewerEvents { __typename } }"
SIGN_OUT = "mutation { signOut { userErrors { code } } }"
ENDED = "This sign-in has ended."


@pytest.fixture
async def nodes(
    firm: Oidc, database_url: str, valkey: EmbeddedValkey, tmp_path: Path
) -> AsyncIterator[tuple[Api, Api]]:
    """Of one database, which know the issuer by their settings."""
    settings = {
        "issuer": firm.address,
        "issuer_audience": AUDIENCE,
        "jwks_url": firm.jwks_url,
        "issuer_workspace": NORTHWIND,
    }
    async with (
        serving(tmp_path / "1", database_url, valkey, **settings) as first,
        serving(tmp_path / "2", database_url, valkey, **settings) as second,
    ):
        yield first, second


def holder(api: Api, ada: Person, token: str) -> Person:
    person = Person(Member("cleo", NORTHWIND, ada.member.kind), ada.workspace_id, ada.user_id, api.client)
    person.token = token
    return person


@asynccontextmanager
async def streaming(person: Person) -> AsyncIterator[Events]:
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {person.token}"}
    async with person.client.stream("POST", "/graphql/stream", json={"query": EVENTS}, headers=headers) as response:
        assert response.status_code == 200
        yield Events(response)


async def end_of(events: Events) -> Any:
    """What it tells last; a comment now and then keeps it alive."""
    while (event := await events.next()) == "comment":
        pass
    return event


async def test_streams_live_to_the_end_of_the_token_and_requests_a_little_longer(
    nodes: tuple[Api, Api], firm: Oidc, ada: Person
) -> None:
    ends = int(time.time()) + 8
    person = holder(nodes[0], ada, await firm.mint(exp=ends))
    async with dialled(person) as wire, streaming(person) as events:
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(PATIENCE):
                await wire.recv()
        assert time.time() >= ends
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4403, f"Forbidden: {ENDED}")
        told = {"errors": [{"message": ENDED, "extensions": {"code": "UNAUTHENTICATED"}}]}
        assert await end_of(events) == ("next", told)
    # The sign-in itself is still alive, by the other's clock.
    await person.ask(WHO)
    async with person.client.stream(
        "POST",
        "/graphql/stream",
        json={"query": EVENTS},
        headers={"accept": "text/event-stream", "authorization": f"Bearer {person.token}"},
    ) as response:
        assert response.status_code == 401
    with pytest.raises(ConnectionClosed, match="4403"):
        async with dialled(person):
            pass


async def test_a_sign_out_bars_the_token_and_ends_its_streams_on_every_node(
    nodes: tuple[Api, Api], firm: Oidc, ada: Person
) -> None:
    token, other = await firm.mint(), await firm.mint(jti="another")
    here, there = (holder(node, ada, token) for node in nodes)
    await here.ask(WHO)
    async with dialled(there) as wire, streaming(there) as events, dialled(holder(nodes[1], ada, other)) as untouched:
        await wire.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": EVENTS}}))
        await wire.send('{"type": "ping"}')
        assert "pong" in str(await wire.recv())
        await here.ask(SIGN_OUT)
        assert (await there.post(WHO)).status_code == 401
        assert (await here.post(WHO)).status_code == 401
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ConnectionClosed):
                await wire.recv()
            assert "UNAUTHENTICATED" in str(await end_of(events))
        await untouched.send('{"type": "ping"}')
        assert "pong" in str(await untouched.recv())


async def test_the_log_has_no_tokens_and_no_claims(nodes: tuple[Api, Api], firm: Oidc, ada: Person) -> None:
    good, bad = await firm.mint(), await firm.mint(aud="somebody else")
    unnamed = await firm.mint("dan", email="no address")
    await firm.behave("broken")
    for token in (good, bad, unnamed):
        await holder(nodes[0], ada, token).post(WHO)
    await firm.behave("well")
    for token in (good, bad, unnamed):
        await holder(nodes[1], ada, token).post(WHO)
    for node in nodes:
        for secret in (good, bad, unnamed, good.split(".")[2], "cleo@portal.test", "subject of", "no address"):
            assert secret not in node.log
    assert "500" in nodes[0].log, "what the issuer did wrong is there"


async def test_the_settings_are_put_into_effect_once(
    nodes: tuple[Api, Api], firm: Oidc, ada: Person, process: Any
) -> None:
    assert await rows(process, "SELECT workspace_id, issuer FROM issuer") == [(ada.workspace_id, firm.address)]
    # The row of the fixture, which has been there before.
    assert await rows(process, "SELECT action FROM audit WHERE action LIKE 'ISSUER%%'") == [("ISSUER_ADDED",)]
