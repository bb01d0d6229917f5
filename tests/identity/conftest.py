"""Firms with issuers of their own."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from resolvers.issuer import Given, put_issuer
from resolvers.process import Process
from tests.cast import NORTHWIND, Member, Person
from tests.identity.oidc import AUDIENCE, Oidc, issuing

WHO = "{ viewer { user { id name kind status email avatarUrl } } }"

# Somebody with a token, acting through the API.
Holder = Callable[[str], Person]


@pytest.fixture(scope="session")
def _issuers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Oidc, Oidc]]:
    """Of two firms. A process takes a while to start, so all tests have the same."""
    folder = tmp_path_factory.mktemp("issuers")
    with issuing(folder) as first, issuing(folder) as second:
        yield first, second


@pytest.fixture
async def firm(_issuers: tuple[Oidc, Oidc], process: Process, people: dict[str, Person]) -> Oidc:
    """The issuer of ada's firm."""
    await _issuers[0].begin_anew()
    await put_issuer(process, people["ada"].workspace_id, Given(_issuers[0].address, AUDIENCE, _issuers[0].jwks_url))
    return _issuers[0]


@pytest.fixture
async def rival(_issuers: tuple[Oidc, Oidc], process: Process, people: dict[str, Person]) -> Oidc:
    """The issuer of zoe's."""
    await _issuers[1].begin_anew()
    await put_issuer(process, people["zoe"].workspace_id, Given(_issuers[1].address, AUDIENCE, _issuers[1].jwks_url))
    return _issuers[1]


@pytest.fixture
def holder(people: dict[str, Person], client: httpx.AsyncClient) -> Holder:
    def hold(token: str) -> Person:
        ada = people["ada"]
        person = Person(Member("somebody", NORTHWIND, ada.member.kind), ada.workspace_id, ada.user_id, client)
        person.token = token
        return person

    return hold


@pytest.fixture
def who(holder: Holder) -> Callable[[str], Awaitable[Any]]:
    """The user whom a token makes of its holder; fails where it is refused."""

    async def ask(token: str) -> Any:
        return (await holder(token).ask(WHO))["viewer"]["user"]

    return ask


@pytest.fixture
def refused(holder: Holder) -> Callable[[str], Awaitable[str]]:
    """What the holder of a token is told that is refused."""

    async def ask(token: str) -> str:
        answer = await holder(token).post(WHO)
        assert answer.status_code == 401, answer.text
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
        message: str = error["message"]
        return message

    return ask
