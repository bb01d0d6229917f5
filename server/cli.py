"""The command `parley`.

Each command loads what it needs when it runs. What goes wrong in a way that a person can put right is one line on
stderr and the exit status 1, not a traceback.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from server.commands import portal, user, workspace
from server.commands.reaching import reached
from server.embedded import EmbeddedError
from server.settings import SettingsError, load, unknown_variables

app = typer.Typer(
    name="parley",
    help="Messaging for client portals. Settings are environment variables: see docs/settings.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
schema = typer.Typer(help="The GraphQL schema.", no_args_is_help=True)
app.add_typer(schema, name="schema")
app.add_typer(workspace.app, name="workspace")
app.add_typer(user.app, name="user")
app.add_typer(portal.app, name="portal")
issuer = typer.Typer(help="Firms' own issuers, whose tokens sign their people in.", no_args_is_help=True)
app.add_typer(issuer, name="issuer")

Slug = Annotated[str, typer.Option("--workspace", help="The workspace's slug.")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def main() -> None:
    try:
        app()
    except (EmbeddedError, SettingsError) as error:
        for line in str(error).splitlines():
            print(f"parley: {line}", file=sys.stderr)
        sys.exit(1)


@app.command()
def up(
    under_make: Annotated[bool, typer.Option("--under-make", hidden=True)] = False,
    portal: Annotated[bool, typer.Option("--portal", help="Also a firm's own portal with the chat in it.")] = False,
) -> None:
    """Start everything: database, Valkey, mail catcher, demo data, API, worker and beat. Ctrl-C stops it."""
    from server.embedded.make import Make
    from server.embedded.up import run

    make = Make() if under_make else None
    for name in unknown_variables(os.environ):
        print(f"parley: {name} is no setting of Parley's and is ignored", file=sys.stderr)
    settings = load()
    if portal:
        from server.demo.portal_host.serve import with_portal

        settings = with_portal(settings)
    sys.exit(run(settings, make, portal=portal))


@app.command()
def serve() -> None:
    """Serve the API."""
    from server.identity.command import settle
    from server.serve import serve as run

    settings = load()
    settle(settings)
    run(settings)


@app.command()
def worker(
    processes: Annotated[int, typer.Option(min=1, help="How many tasks run at once.")] = 2,
    only: Annotated[Literal["mails", "tasks"] | None, typer.Option(help="Send mails alone, or do the rest.")] = None,
) -> None:
    """Run tasks."""
    from server.worker import Queue, work

    work(load(), processes, tuple(Queue) if only is None else [Queue[only.upper()]])


@app.command()
def beat() -> None:
    """Queue what is due by the schedule."""
    from server.worker import beat as run

    run(load())


@app.command("mail-catcher")
def mail_catcher() -> None:
    """Catch mail and show it on a page. For development."""
    import asyncio

    from server.mail_catcher.serve import serve as run
    from server.settings import origin_of, read

    settings = read()
    asyncio.run(run(settings.smtp_catcher_port, settings.mail_page_port, origin_of(settings.public_address)))


@app.command("portal-host")
def portal_host() -> None:
    """Serve a firm's own portal with the chat in it. For development."""
    from server.demo.portal_host.serve import serve as run
    from server.settings import read

    run(read())


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    import migrations

    migrations.upgrade(reached().database_address)


@app.command()
def demo(
    messages: Annotated[
        int | None, typer.Option(min=1000, help="Also fill a large workspace, with so many messages.")
    ] = None,
    harbor: Annotated[bool, typer.Option("--harbor", help="Also the firm that has a portal of its own.")] = False,
) -> None:
    """Fill in the demo data, where they aren't there yet."""
    from server.demo import main as fill

    settings = reached()
    fill(settings, messages, harbor=harbor)


@app.command()
def explain(
    verdicts_only: Annotated[bool, typer.Option("--verdicts-only", help="Leave out the plans.")] = False,
) -> None:
    """Show how the database answers the hot queries on its largest workspace; 1 where one is answered badly."""
    from server.explain import main as judge

    settings = reached()
    sys.exit(judge(settings, plans=not verdicts_only))


@app.command()
def sharing(
    document: Annotated[typer.FileText, typer.Argument(help="A file with a document that subscribes; - reads it.")],
    variables: Annotated[
        str, typer.Option(help="Its variables, as a JSON object; ids that it needs are found.")
    ] = "{}",
    operation: Annotated[str | None, typer.Option(help="Which operation of the document.")] = None,
) -> None:
    """Say whether and how a subscription's results are shared; 1 where each viewer has an execution of their own."""
    import json

    from server.graphql.asked import NotAsked, asked
    from server.sharing import main as judge

    try:
        given = {"query": document.read(), "operationName": operation, "variables": json.loads(variables)}
        what = asked(given)
    except (ValueError, NotAsked) as error:
        raise SettingsError(f"this can't be asked: {error}") from None
    settings = reached()
    sys.exit(judge(settings, what))


@app.command()
def audit(
    workspace: Annotated[str, typer.Option(help="Whose log: the workspace's slug.")],
    since: Annotated[str | None, typer.Option(help="From this date or time on; UTC unless it says otherwise.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this date or time.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this one; docs/audit.md lists them.")] = None,
    user: Annotated[str | None, typer.Option(help="By them or about them: their address or id.")] = None,
    room: Annotated[str | None, typer.Option(help="About this room: its id.")] = None,
    before: Annotated[str | None, typer.Option(help="Older than this entry: the id that JSON shows.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many entries at the most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Read the audit log of a workspace, newest first."""
    from server.commands.audit import Asked, main

    settings = reached()
    main(settings, Asked(workspace, since, until, action, user, room, before, limit), as_json=as_json)


@app.command()
def doctor() -> None:
    """Say what is misconfigured. Changes nothing; the exit status is 1 where something is wrong."""
    from server.doctor import examine

    findings = examine(os.environ)
    for finding in findings:
        print(f"{finding.grade:<8} {finding.subject}: {finding.says}")
    sys.exit(any(finding.grade == "wrong" for finding in findings))


@issuer.command("add")
def issuer_add(
    name: Annotated[str, typer.Argument(metavar="ISSUER", help="As its tokens name it (`iss`).")],
    workspace: Slug,
    audience: Annotated[str, typer.Option(help="What its tokens for Parley name (`aud`).")],
    jwks_url: Annotated[str | None, typer.Option(help="Where it publishes its keys.")] = None,
    public_key: Annotated[Path | None, typer.Option(help="A file with its one key, in PEM.")] = None,
    as_json: Json = False,
) -> None:
    """Have an issuer speak for a workspace; or change its audience and keys."""
    from resolvers.issuer import Given
    from server.identity import command

    settings = reached()
    command.add(settings, workspace, Given(name, audience, jwks_url, command.public_key(public_key)), as_json=as_json)


@issuer.command("list")
def issuer_list(workspace: Slug, as_json: Json = False) -> None:
    """List the issuers of a workspace."""
    from server.identity import command

    settings = reached()
    command.show(settings, workspace, as_json=as_json)


@issuer.command("remove")
def issuer_remove(
    name: Annotated[str, typer.Argument(metavar="ISSUER", help="As its tokens name it (`iss`).")],
    workspace: Slug,
    as_json: Json = False,
) -> None:
    """Have an issuer speak for nobody any more: the sign-ins that it has begun end, the accounts stay."""
    from server.identity import command

    settings = reached()
    command.remove(settings, workspace, name, as_json=as_json)


@schema.command("print")
def schema_print() -> None:
    """Print the schema in GraphQL's own language."""
    from schema.build import printed

    print(printed(), end="")


if __name__ == "__main__":
    main()
