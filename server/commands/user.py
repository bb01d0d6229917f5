"""`parley user …`."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from server.settings import SettingsError

app = typer.Typer(help="People: a firm's own, and its clients.", no_args_is_help=True)

Workspace = Annotated[str, typer.Option(help="Whose: the workspace's slug.")]
Who = Annotated[str, typer.Argument(help="Their address, or their id.")]
Email = Annotated[str, typer.Argument(help="Their address.")]
Name = Annotated[str, typer.Option(help="What they are called.")]


class Side(StrEnum):
    INTERNAL = "internal"
    CLIENT = "client"


Kind = Annotated[Side, typer.Option(help="Which side of the portal they are on.", case_sensitive=False)]
Portal = Annotated[str | None, typer.Option(help="A client's portal: its id, or its name where only one has it.")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the input's first line.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]


@app.command()
def create(
    email: Email,
    workspace: Workspace,
    name: Name,
    kind: Kind,
    portal: Portal = None,
    password_stdin: FromInput = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They sign in by links, or by the firm's identity provider.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an active account, without an invitation."""
    from server.commands import people

    password = None if no_password else _password(password_stdin)
    raise typer.Exit(people.create(email, workspace, name, kind, portal, password, as_json=as_json))


@app.command()
def invite(
    email: Email, workspace: Workspace, name: Name, kind: Kind, portal: Portal = None, as_json: AsJson = False
) -> None:
    """Invite somebody by mail; again, it sends a new link and ends the old one."""
    from server.commands import people

    raise typer.Exit(people.invite(email, workspace, name, kind, portal, as_json=as_json))


@app.command()
def deactivate(who: Who, workspace: Workspace, as_json: AsJson = False) -> None:
    """End an account: every sign-in and stream of theirs ends at once."""
    from server.commands import people

    raise typer.Exit(people.deactivate(who, workspace, as_json=as_json))


@app.command()
def activate(who: Who, workspace: Workspace, as_json: AsJson = False) -> None:
    """Revive an account. Who had not accepted their invitation is invited again, by no mail."""
    from server.commands import people

    raise typer.Exit(people.activate(who, workspace, as_json=as_json))


@app.command("set-password")
def set_password(who: Who, workspace: Workspace, password_stdin: FromInput = False, as_json: AsJson = False) -> None:
    """Set somebody's password, and end their sign-ins."""
    from server.commands import people

    raise typer.Exit(people.set_password(who, workspace, _password(password_stdin), as_json=as_json))


def _password(from_input: bool) -> str:
    """Never an argument: those are seen by whoever lists processes."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise SettingsError("give the password by --password-stdin, where nobody can be asked for it")
    chosen: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return chosen
