"""The portal of the demo: its people come to Parley by its own sign-in, as docs/embedding.md says."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

import migrations
from server import demo
from server.demo.portal_host.mint import Issuer
from server.demo.portal_host.page import FOLDER, Portal
from server.demo.portal_host.people import HANA, INES, PEOPLE
from server.demo.portal_host.serve import address_of, with_portal
from server.embedded import EmbeddedError
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.up import _check_ports
from server.embedded.valkey import EmbeddedValkey
from server.settings import Settings, SettingsError
from tests.identity.conftest import WHO
from tests.running import PATIENCE, free_port, running, until_ready

ROOMS = "{ viewer { user { email kind } } rooms(first: 10) { nodes { name } } }"


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """With the demo in it."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE harbor")
        url = postgres.url_of("harbor")
        migrations.upgrade(url)
        demo.main(Settings.model_validate({"database_url": url}), harbor=True)
        yield url
        connection.execute("DROP DATABASE harbor WITH (FORCE)")


@pytest.fixture
def settings(database: str, valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[Settings]:
    """The portal and Parley, each in its process."""
    port, portal_port = free_port(), free_port()
    given = Settings.model_validate(
        {
            "port": port,
            "portal_port": portal_port,
            "database_url": database,
            "valkey_url": valkey.url,
            "data_dir": tmp_path,
            "secret_key": "k" * 32,
        }
    )
    settings = with_portal(given)
    variables = {name.removeprefix("PARLEY_").lower(): value for name, value in settings.variables().items()}
    with running("portal-host", tmp_path, **variables), running("serve", tmp_path, **variables) as serving:
        until_ready(serving, settings.public_address)
        until(f"{address_of(settings)}/jwks")
        yield settings


def until(url: str) -> None:
    """Something answers there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            httpx.get(url)
        except httpx.TransportError:
            assert time.monotonic() < deadline, "nothing answers"
            time.sleep(0.02)
        else:
            return


@contextmanager
def arrived(settings: Settings, person: str) -> Iterator[httpx.Client]:
    """A browser in which somebody has signed in at the portal."""
    with httpx.Client(base_url=address_of(settings), follow_redirects=True, timeout=60) as client:
        answer = client.post("/continue", data={"person": person}, headers={"origin": address_of(settings)})
        assert answer.status_code == 200
        assert PEOPLE[person].name in answer.text
        yield client


def ask(settings: Settings, token: str, query: str, **headers: str) -> httpx.Response:
    headers |= {"authorization": f"Bearer {token}", "origin": address_of(settings)}
    return httpx.post(f"{settings.public_address}/graphql", json={"query": query}, headers=headers, timeout=60)


def test_whoever_signs_in_at_the_portal_chats_without_signing_in_again(settings: Settings) -> None:
    for person, rooms in ((HANA, 2), (INES, 1)):
        with arrived(settings, person.id) as client:
            token = client.post("/token").json()["token"]
            answer = ask(settings, token, ROOMS)
            assert answer.headers["access-control-allow-origin"] == address_of(settings)
            data = answer.json()["data"]
            assert data["viewer"]["user"] == {"email": person.email, "kind": person.kind}
            assert len(data["rooms"]["nodes"]) == rooms
            ask(settings, token, "mutation { signOut { userErrors { code } } }")
            assert ask(settings, token, WHO).status_code == 401
            assert ask(settings, client.post("/token").json()["token"], WHO).status_code == 200


class TestThePage:
    @pytest.fixture
    def portal(self) -> Any:
        return Portal(Issuer("http://localhost:8100"), "https://chat.test").app()

    async def test_gives_tokens_to_nobody_else(self, portal: Any) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(portal), base_url="http://localhost:8100") as client:
            assert (await client.post("/token")).status_code == 401
            client.cookies.set("harbor", "made up")
            assert (await client.post("/token")).status_code == 401
            await client.post("/continue", data={"person": INES.id})
            assert (await client.post("/token")).status_code == 200
            evil = {"origin": "https://evil.test"}
            for path in ("/token", "/continue", "/leave"):
                assert (await client.post(path, headers=evil)).status_code == 403
            await client.post("/leave")
            assert (await client.post("/token")).status_code == 401
            assert (await client.get("/", headers={"host": "evil.test"})).status_code == 400

    async def test_runs_its_own_script_and_nothing_else(self, portal: Any) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(portal), base_url="http://localhost:8100") as client:
            await client.post("/continue", data={"person": INES.id})
            answer = await client.get("/")
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'; style-src 'self'" in policy
        assert "connect-src 'self' https://chat.test wss://chat.test;" in policy
        assert re.findall(r"<script[^>]*>", answer.text) == ['<script src="/chat.js">']
        assert not re.search(r"<[^>]* (style|on[a-z]+)=", answer.text)
        script = (FOLDER / "chat.js").read_text()
        assert not re.search(r"innerHTML|localStorage|eval\(", script)

    async def test_publishes_the_public_half_of_its_key_alone(self, portal: Any) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(portal), base_url="http://localhost:8100") as client:
            (key,) = (await client.get("/jwks")).json()["keys"]
        assert set(key) == {"kty", "crv", "x", "y", "use", "kid"}


@pytest.mark.parametrize(
    ("settings_", "says"),
    [
        (
            {
                "environment": "production",
                "secret_key": "k" * 32,
                "database_url": "postgresql://x",
                "valkey_url": "redis://x",
            },
            "not in production",
        ),
        ({"issuer": "i", "issuer_audience": "a", "jwks_url": "https://a.test"}, "PARLEY_ISSUER is set"),
        ({"port": 8100}, "PARLEY_PORTAL_PORT and PARLEY_PORT must differ"),
    ],
    ids=["production", "another issuer", "one port"],
)
def test_it_is_for_development_alone(settings_: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        with_portal(Settings.model_validate(settings_))


def test_a_port_that_is_taken_is_named() -> None:
    ports = {name: free_port() for name in ("port", "smtp_catcher_port", "mail_page_port")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings.model_validate({**ports, "portal_port": taken.getsockname()[1]})
        _check_ports(settings)
        with pytest.raises(EmbeddedError, match="PARLEY_PORTAL_PORT"):
            _check_ports(settings, portal=True)
