"""Which issuers there are: by the settings, by the command line, and for one workspace each."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from models.issuer import IssuerRow
from resolvers.errors import Refused
from resolvers.issuer import Given, issuers_of, put_issuer
from resolvers.issuer_memory import Memory
from resolvers.process import Process
from server.identity import command
from server.settings import Settings, SettingsError, read
from tests.cast import NORTHWIND, OTHER, Person
from tests.identity.oidc import new_key, pem_of
from tests.ledger import Ledger

FIRST = Given("https://first.test", "parley", "https://first.test/jwks")
PEM = pem_of(new_key("ES256"))


async def actions(ledger: Ledger) -> list[str]:
    return [
        action for (action,) in await ledger.sql("SELECT action FROM audit WHERE action LIKE 'ISSUER%%' ORDER BY id")
    ]


async def test_one_is_put_once_and_changed_where_it_differs(process: Process, ada: Person, ledger: Ledger) -> None:
    assert await put_issuer(process, ada.workspace_id, FIRST)
    assert not await put_issuer(process, ada.workspace_id, FIRST)
    assert await put_issuer(process, ada.workspace_id, Given(FIRST.issuer, "other", public_key=PEM))
    assert not await put_issuer(process, ada.workspace_id, Given(FIRST.issuer, "other", public_key=PEM))
    (row,) = await issuers_of(process, ada.workspace_id)
    assert (row.audience, row.jwks_url, row.public_key) == ("other", None, PEM)
    assert await actions(ledger) == ["ISSUER_ADDED", "ISSUER_UPDATED"]


async def test_a_crowd_asks_for_them_once_and_fails_together_where_the_database_is_away() -> None:
    """One after the other, each would wait as long as all before them."""
    memory, begun, go_on = Memory(), asyncio.Event(), asyncio.Event()
    asked = 0

    async def load() -> list[IssuerRow]:
        nonlocal asked
        asked += 1
        begun.set()
        await go_on.wait()
        raise OSError

    crowd = [asyncio.create_task(memory.issuer(f"https://{number}.test", load)) for number in range(20)]
    await begun.wait()
    crowd[0].cancel()  # who hangs up takes no answer away from the others
    go_on.set()
    found = await asyncio.gather(*crowd, return_exceptions=True)
    assert [type(each) for each in found[1:]] == [OSError] * 19
    assert asked == 1


async def test_one_that_speaks_for_a_firm_is_never_moved_to_another(
    process: Process, ada: Person, zoe: Person, ledger: Ledger
) -> None:
    await put_issuer(process, ada.workspace_id, FIRST)
    async with ledger.unchanged():
        with pytest.raises(Refused, match="another workspace"):
            await put_issuer(process, zoe.workspace_id, Given(FIRST.issuer, "mine", "https://mine.test/jwks"))
    assert [row.audience for row in await issuers_of(process, ada.workspace_id)] == ["parley"]
    assert await issuers_of(process, zoe.workspace_id) == []


@pytest.mark.parametrize(
    "given",
    [
        Given("", "parley", "https://a.test/jwks"),
        Given("parley", "parley", "https://a.test/jwks"),
        Given("https://a.test", "", "https://a.test/jwks"),
        Given("https://a.test", "parley"),
        Given("https://a.test", "parley", "https://a.test/jwks", PEM),
        Given("https://a.test", "parley", "http://a.test/jwks"),
        Given("https://a.test", "parley", "file:///etc/passwd"),
        Given("https://a.test", "parley", public_key="no key"),
        Given("https://a.test", "parley", public_key=PEM.replace("PUBLIC", "PRIVATE")),
        Given("https://a.test\0", "parley", "https://a.test/jwks"),
    ],
    ids=range(10),
)
async def test_what_is_none_is_refused(process: Process, ada: Person, ledger: Ledger, given: Given) -> None:
    async with ledger.unchanged():
        with pytest.raises(Refused):
            await put_issuer(process, ada.workspace_id, given)


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"ISSUER_AUDIENCE": "a"}, "PARLEY_ISSUER must be set with PARLEY_ISSUER_AUDIENCE"),
            ({"JWKS_URL": "https://a.test"}, "PARLEY_ISSUER must be set with PARLEY_JWKS_URL"),
            ({"ISSUER": "i"}, "PARLEY_ISSUER_AUDIENCE must be set with PARLEY_ISSUER"),
            ({"ISSUER": "i", "ISSUER_AUDIENCE": "a"}, "PARLEY_JWKS_URL or PARLEY_ISSUER_PUBLIC_KEY must be set"),
            (
                {"ISSUER": "i", "ISSUER_AUDIENCE": "a", "JWKS_URL": "https://a.test", "ISSUER_PUBLIC_KEY": "x"},
                "PARLEY_JWKS_URL or PARLEY_ISSUER_PUBLIC_KEY must be set with PARLEY_ISSUER: one of them",
            ),
            ({"CLOCK_SKEW_SECONDS": "301"}, "PARLEY_CLOCK_SKEW_SECONDS"),
        ],
    )
    def test_that_do_not_fit_together_are_told(
        self, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], says: str
    ) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"PARLEY_{name}", value)
        with pytest.raises(SettingsError, match=says):
            read()

    def test_a_key_is_given_as_pem_in_one_line_or_as_a_file(self, tmp_path: Path) -> None:
        def key(given: str) -> str | None:
            return Settings(issuer="i", issuer_audience="a", issuer_public_key=given, data_dir=tmp_path).issuer_key

        (tmp_path / "key.pem").write_text(PEM)
        assert key(PEM) == key(PEM.replace("\n", "\\n")) == key(str(tmp_path / "key.pem")) == PEM
        with pytest.raises(SettingsError, match="PARLEY_ISSUER_PUBLIC_KEY: neither PEM nor a file"):
            key(str(tmp_path / "missing.pem"))


class TestCommands:
    """As an operator runs them, each with a loop of its own."""

    @pytest.fixture
    def settings(self, database_url: str, tmp_path: Path) -> Settings:
        return Settings(database_url=database_url, data_dir=tmp_path, secret_key="k" * 32)

    def test_add_list_and_remove(self, settings: Settings) -> None:
        out = io.StringIO()
        command.add(settings, NORTHWIND, FIRST, as_json=True, out=out)
        (added,) = json.loads(out.getvalue())
        assert (added["issuer"], added["jwks_url"]) == ("https://first.test", "https://first.test/jwks")
        assert self.listed(settings, NORTHWIND) == ["https://first.test"]
        with pytest.raises(SettingsError, match="no such issuer"):
            command.remove(settings, OTHER, FIRST.issuer, as_json=False)
        command.remove(settings, NORTHWIND, FIRST.issuer, as_json=False, out=out)
        assert self.listed(settings, NORTHWIND) == []

    def test_the_settings_name_the_workspace_where_there_are_several(self, settings: Settings) -> None:
        named = {"issuer": "https://a.test", "issuer_audience": "parley", "jwks_url": "https://a.test/jwks"}
        with pytest.raises(SettingsError, match="PARLEY_ISSUER_WORKSPACE must say which"):
            command.settle(settings.model_copy(update=named))
        with pytest.raises(SettingsError, match="PARLEY_ISSUER_WORKSPACE: there is no workspace 'nowhere'"):
            command.settle(settings.model_copy(update={**named, "issuer_workspace": "nowhere"}))
        command.settle(settings.model_copy(update={**named, "issuer_workspace": NORTHWIND}))
        assert self.listed(settings, NORTHWIND) == ["https://a.test"]
        with pytest.raises(SettingsError, match="PARLEY_ISSUER: This issuer speaks for another workspace"):
            command.settle(settings.model_copy(update={**named, "issuer_workspace": OTHER}))

    def listed(self, settings: Settings, workspace: str) -> list[Any]:
        out = io.StringIO()
        command.show(settings, workspace, as_json=True, out=out)
        return [each["issuer"] for each in json.loads(out.getvalue())]
