"""`parley workspace`, `portal` and `user`, as an operator and a script call them."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from resolvers.password import LONGEST
from server.cli import app
from server.embedded.valkey import EmbeddedValkey
from server.settings import SettingsError
from tests.cast import PASSWORD, Person
from tests.ledger import Ledger

SIGN_IN = "session { accessToken } viewer { user { id name kind status email } }"


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Parley = Callable[..., Awaitable[Result]]


@pytest.fixture
def settings(database_url: str, valkey: EmbeddedValkey, tmp_path: Path) -> dict[str, str]:
    return {
        "PARLEY_DATABASE_URL": database_url,
        "PARLEY_VALKEY_URL": valkey.url,
        "PARLEY_BROKER_URL": valkey.broker_url,
        "PARLEY_DATA_DIR": str(tmp_path),
    }


@pytest.fixture
def parley(settings: dict[str, str]) -> Parley:
    """The commands, in this process: to start one for each would take longer than what it does."""

    def run(arguments: tuple[str, ...], typed: str) -> Result:
        done = CliRunner().invoke(app, arguments, input=typed, env=settings)
        # What `main` does for a person's mistakes.
        if isinstance(done.exception, SettingsError):
            return Result(1, done.stdout, f"parley: {done.exception}\n")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Result(done.exit_code, done.stdout, done.stderr)

    async def call(*arguments: str, typed: str = "") -> Result:
        return await asyncio.to_thread(run, arguments, typed)

    return call


async def test_a_firm_is_made_from_nothing(parley: Parley, nobody: Person, ledger: Ledger) -> None:
    url = "https://portal.example/welcome#token={token}"
    firm = (await parley("workspace", "create", "Lind & Söhne", "--invitation-url", url, "--json")).json
    assert (firm["slug"], firm["invitationUrl"], firm["signInUrl"]) == ("lind-sohne", url, None)
    of_firm = ("--workspace", firm["slug"], "--json")
    portal = (await parley("portal", "create", "Harbor", *of_firm)).json
    made = await parley(
        *("user", "create", "Mia@lind.test", "--name", "Mia Lind", "--kind", "internal", "--password-stdin", *of_firm),
        typed="a password of hers\n",
    )
    assert made.json == {"id": made.json["id"], "email": "Mia@lind.test", "status": "ACTIVE"}
    invited = await parley(
        "user", "invite", "cy@client.test", "--name", "Cy", "--kind", "client", "--portal", "harbor", *of_firm
    )
    assert invited.code == 0, invited.err
    signed_in = await nobody.done("signIn", {"email": "mia@lind.test", "password": "a password of hers"}, SIGN_IN)
    nobody.token = signed_in["session"]["accessToken"]
    portals = (await nobody.ask("{ portals { nodes { id name clients { nodes { id status } } } } }"))["portals"]
    clients = {"nodes": [{"id": invited.json["id"], "status": "INVITED"}]}
    assert portals["nodes"] == [{"id": portal["id"], "name": "Harbor", "clients": clients}]
    recorded = await ledger.sql("SELECT DISTINCT action, actor_id, by FROM audit WHERE by = 'OPERATOR' ORDER BY action")
    assert recorded == [
        (action, None, "OPERATOR")
        for action in (
            *("CLIENT_ADDED", "PORTAL_CREATED", "USER_CREATED", "USER_INVITED", "WORKSPACE_CREATED"),
            "WORKSPACE_UPDATED",
        )
    ]
    assert "a password of hers" not in str(await ledger.rows())


async def test_an_account_is_ended_given_back_and_given_a_password(
    parley: Parley, cleo: Person, nobody: Person
) -> None:
    northwind = ("--workspace", "northwind", "--json")
    assert (await parley("user", "deactivate", "CLEO@client.test", *northwind)).json["status"] == "DEACTIVATED"
    assert (await cleo.post("{ viewer { id } }")).status_code == 401
    given = {"email": cleo.member.email, "password": PASSWORD}
    assert await nobody.refused("signIn", given) == [("INVALID_CREDENTIALS", None)]
    assert (await parley("user", "activate", cleo.id, *northwind)).json == {"id": cleo.id, "status": "ACTIVE"}
    await nobody.done("signIn", given, SIGN_IN)
    changed = await parley(
        "user", "set-password", cleo.id, "--password-stdin", *northwind, typed="another password\r\n"
    )
    assert changed.json == {"id": cleo.id}
    assert await nobody.refused("signIn", given) == [("INVALID_CREDENTIALS", None)]
    await nobody.done("signIn", {**given, "password": "another password"}, SIGN_IN)


@pytest.mark.parametrize(
    ("arguments", "typed", "refused"),
    [
        (("workspace", "create", "Northwind", "--json"), "", ("ALREADY_EXISTS", ["slug"])),
        (("workspace", "create", " ", "--slug", "new", "--json"), "", ("BLANK", ["name"])),
        (("workspace", "create", "New", "--slug", "New Firm", "--json"), "", ("INVALID", ["slug"])),
        (
            ("workspace", "update", "northwind", "--reset-url", "javascript:alert(1)#{token}", "--json"),
            "",
            ("INVALID", ["resetUrl"]),
        ),
        (("portal", "create", "\n", "--workspace", "northwind", "--json"), "", ("BLANK", ["name"])),
        (
            ("user", "deactivate", "zoe@firm.test", "--workspace", "other", "--json"),
            "",
            ("FORBIDDEN", ["userId"]),
        ),
        (
            (
                *("user", "create", "ada@firm.test", "--workspace", "northwind", "--name", "X", "--kind", "internal"),
                *("--no-password", "--json"),
            ),
            "",
            ("ALREADY_EXISTS", ["email"]),
        ),
        (
            ("user", "set-password", "ada@firm.test", "--workspace", "northwind", "--password-stdin", "--json"),
            "short\n",
            ("INVALID", ["password"]),
        ),
        (
            ("user", "set-password", "ada@firm.test", "--workspace", "northwind", "--password-stdin", "--json"),
            "x" * (LONGEST + 1),
            ("TOO_LONG", ["password"]),
        ),
        (("portal", "create", "Harbor", "--workspace", "nowhere", "--json"), "", ("NOT_FOUND", ["workspace"])),
        (
            ("user", "deactivate", "nobody@firm.test", "--workspace", "northwind", "--json"),
            "",
            ("NOT_FOUND", ["who"]),
        ),
        (
            (
                *("user", "invite", "a@client.test", "--workspace", "northwind", "--name", "A", "--kind", "client"),
                *("--portal", "nothing", "--json"),
            ),
            "",
            ("NOT_FOUND", ["portal"]),
        ),
        (
            (
                *("user", "invite", "a@firm.test", "--workspace", "northwind", "--name", "A", "--kind", "internal"),
                *("--portal", "nothing", "--json"),
            ),
            "",
            ("INVALID", ["portal"]),
        ),
    ],
    ids=itertools.count(1),
)
async def test_what_a_rule_refuses_is_told_to_the_script_and_to_the_person(
    arguments: tuple[str, ...], typed: str, refused: tuple[str, list[str]], parley: Parley, ledger: Ledger
) -> None:
    async with ledger.unchanged():
        result = await parley(*arguments, typed=typed)
    (error,) = result.json["errors"]
    assert (error["code"], error["field"]) == refused
    assert (result.code, result.err) == (1, f"parley: {error['message']}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("portal", "create", "Harbor", "--workspace", "nowhere"),
        ("user", "deactivate", "nobody@firm.test", "--workspace", "northwind"),
        ("user", "set-password", "ada@firm.test", "--workspace", "northwind"),  # no password where nobody can type one
        (
            *("user", "invite", "a@client.test", "--workspace", "northwind", "--name", "A", "--kind", "client"),
            *("--portal", "nothing"),
        ),
    ],
    ids=lambda given: " ".join(given[:2]),
)
async def test_a_wrong_call_is_one_line_and_changes_nothing(
    arguments: tuple[str, ...], parley: Parley, ada: Person, ledger: Ledger
) -> None:
    async with ledger.unchanged():
        result = await parley(*arguments)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("parley: ")
    assert result.err.count("\n") == 1


async def test_the_command_itself(settings: dict[str, str], ada: Person, ledger: Ledger) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")} | settings
    command = [sys.executable, "-m", "server.cli", "user", "deactivate", "nobody", "--workspace", "northwind"]
    async with ledger.unchanged():
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "parley: there is nobody nobody in northwind\n"


async def test_an_escape_in_what_was_typed_does_not_reach_the_terminal(parley: Parley) -> None:
    result = await parley("user", "deactivate", "\x1b[31mred", "--workspace", "northwind")
    assert "\x1b" not in result.err
