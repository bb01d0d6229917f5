"""How an issuer's keys are had: fetched, kept, asked for anew, and when that fails."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from models.ids import new_id
from models.issuer import IssuerRow
from resolvers.errors import Unauthenticated
from resolvers.identity import recognise
from resolvers.issuer_key import Key, KeysUnavailable
from resolvers.process import Issuers, Process
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.http.app import build_app
from server.identity import keyring
from server.identity.fetch import LARGEST, Unfetched, fetch
from server.identity.keyring import FetchedKeys
from tests.identity.conftest import WHO
from tests.identity.oidc import AUDIENCE, Oidc, issuing

Who = Callable[[str], Awaitable[Any]]
Refused = Callable[[str], Awaitable[str]]


class Clock:
    """One that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def on(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> FetchedKeys:
    return FetchedKeys(fetch, clock)


@pytest.fixture
def timed(process: Process, keys: FetchedKeys) -> Process:
    """A process whose keys grow old by the clock of the test."""
    return replace(process, issuers=Issuers(keys=keys))


def row(oidc: Oidc) -> IssuerRow:
    return IssuerRow(new_id(), new_id(), oidc.address, AUDIENCE, oidc.jwks_url, None)


def has(kid: str) -> Callable[[Any], bool]:
    return lambda keys: any(key.kid == kid for key in keys)


def anything(_: object) -> bool:
    return True


async def kids(keys: FetchedKeys, oidc: Oidc, suit: Callable[[Any], bool] = anything) -> set[str | None]:
    return {key.kid for key in await keys.keys(row(oidc), suit)}


async def no_task_runs(keys: FetchedKeys) -> None:
    for known in keys._known.values():
        if known.asking is not None:
            await known.asking


async def test_they_are_fetched_once(firm: Oidc, keys: FetchedKeys) -> None:
    for _ in range(5):
        assert "ES256-1" in await kids(keys, firm)
    assert await firm.asked() == 1


async def test_a_crowd_is_one_question(firm: Oidc, keys: FetchedKeys) -> None:
    await firm.behave("slowly")
    asking = [asyncio.create_task(kids(keys, firm)) for _ in range(50)]
    async with asyncio.timeout(30):
        while await firm.asked() == 0:
            await asyncio.sleep(0.01)
    asking[0].cancel()  # who hangs up takes no answer away from the others
    await firm.behave("well")
    assert all("ES256-1" in found for found in await asyncio.gather(*asking[1:]))
    assert await firm.asked() == 1


async def test_a_new_key_is_accepted_at_first_sight(firm: Oidc, timed: Process, clock: Clock) -> None:
    await recognise(timed, await firm.mint())
    await firm.rotate("new")
    clock.on(keyring.PAUSE)
    await recognise(timed, await firm.mint(kid="new"))
    assert await firm.asked() == 2


async def test_made_up_key_ids_do_not_have_the_issuer_asked_again_and_again(
    firm: Oidc, timed: Process, clock: Clock
) -> None:
    await recognise(timed, await firm.mint())
    clock.on(keyring.PAUSE)
    for number in range(50):
        token = await firm.mint(headers={"kid": f"made up {number}"})
        with pytest.raises(Unauthenticated):
            await recognise(timed, token)
    assert await firm.asked() == 2
    clock.on(keyring.PAUSE)
    with pytest.raises(Unauthenticated):
        await recognise(timed, await firm.mint(headers={"kid": "and another"}))
    assert await firm.asked() == 3


async def test_a_key_that_was_withdrawn_is_refused_once_they_are_old(firm: Oidc, timed: Process, clock: Clock) -> None:
    """Also for tokens that were verified before."""
    token, unseen = await firm.mint(), await firm.mint(jti="unseen")
    await recognise(timed, token)
    await firm.rotate("new", keep=False)
    await recognise(timed, unseen)
    clock.on(keyring.OLD + 1)
    for each in (token, unseen):
        with pytest.raises(Unauthenticated):
            await recognise(timed, each)
    await recognise(timed, await firm.mint(kid="new"))


async def test_they_are_asked_for_early_while_the_old_ones_serve(firm: Oidc, keys: FetchedKeys, clock: Clock) -> None:
    await kids(keys, firm)
    await firm.rotate("new", keep=False)
    clock.on(keyring.EARLY + 1)
    assert "ES256-1" in await kids(keys, firm)
    await no_task_runs(keys)
    assert await kids(keys, firm) == {"new"}


BADLY = ["garbage", "no keys", "nested", "huge", "broken", "elsewhere"]


@pytest.mark.parametrize("mode", BADLY)
async def test_old_ones_stay_good_for_a_day_while_the_issuer_behaves_badly(
    firm: Oidc, timed: Process, clock: Clock, mode: str
) -> None:
    await recognise(timed, await firm.mint())
    await firm.behave(mode)
    clock.on(keyring.OLD + 1)
    await recognise(timed, await firm.mint(jti="2"))
    clock.on(keyring.DEAD - 2 * keyring.OLD)
    await recognise(timed, await firm.mint(jti="3"))
    clock.on(keyring.OLD)
    with pytest.raises(KeysUnavailable):
        await recognise(timed, await firm.mint(jti="4"))
    await firm.behave("well")
    clock.on(keyring.PAUSE)
    await recognise(timed, await firm.mint(jti="5"))


async def test_old_ones_stay_good_while_it_is_away(
    firm: Oidc, process: Process, keys: FetchedKeys, clock: Clock, tmp_path: Path
) -> None:
    with issuing(tmp_path) as away:
        assert "ES256-1" in await kids(keys, away)
    clock.on(keyring.OLD + 1)
    assert "ES256-1" in await kids(keys, away)


async def test_an_issuer_that_was_never_reached_lets_nobody_in_and_is_not_the_tokens_fault(
    firm: Oidc, process: Process
) -> None:
    await firm.behave("broken")
    token = await firm.mint()

    async def ready() -> None: ...

    app = build_app(Execution(ParleyEngine(process)), allowed_origins=[], ready=ready)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://parley.test") as client:
        headers = {"authorization": f"Bearer {token}"}
        answer = await client.post("/graphql", json={"query": WHO}, headers=headers)
    assert answer.status_code == 500, "a client that hears 401 would sign its user out"
    assert token not in answer.text


@pytest.mark.parametrize("mode", ["broken", "huge", "elsewhere"])
async def test_what_cannot_be_taken_is_told_without_its_content(firm: Oidc, mode: str) -> None:
    await firm.behave(mode)
    with pytest.raises(Unfetched) as caught:
        await fetch(firm.jwks_url)
    assert str(caught.value) in ("it answers 500", f"its answer is larger than {LARGEST:,} bytes", "it answers 302")


async def test_one_that_does_not_answer_is_given_up(firm: Oidc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.identity.fetch.SECONDS", 0.2)
    await firm.behave("slowly")
    with pytest.raises(Unfetched, match="has not answered"):
        await fetch(firm.jwks_url)


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.test/jwks",
        "file:///etc/passwd",
        "ftp://127.0.0.1/jwks",
        "https://user:secret@keys.test/jwks",
        "http://127.0.0.1.keys.test/jwks",
        "http://localhost.keys.test/jwks",
        "https://keys.test:99999/jwks",
        "//keys.test/jwks",
        "",
    ],
)
async def test_keys_are_fetched_safely_or_not_at_all(url: str) -> None:
    with pytest.raises(Unfetched, match="not https://"):
        await fetch(url)


async def test_a_token_that_was_verified_is_not_verified_again(
    firm: Oidc, timed: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await firm.mint()
    named = await recognise(timed, token)
    monkeypatch.setattr(jwt, "decode", None)
    assert await recognise(timed, token) == named


def test_a_key_does_not_show_itself() -> None:
    assert "public" not in repr(Key("1", frozenset({"ES256"}), b"", "the key"))
