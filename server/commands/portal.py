"""`parley portal …`."""

from typing import Annotated

import typer

app = typer.Typer(help="Portals of a firm's clients.", no_args_is_help=True)


@app.callback()
def portal() -> None:
    """Portals of a firm's clients."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the portal is called.")],
    workspace: Annotated[str, typer.Option(help="Whose: the workspace's slug.")],
    as_json: Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")] = False,
) -> None:
    """Make a portal."""
    from server.commands import firm

    raise typer.Exit(firm.create_portal(name, workspace, as_json=as_json))
