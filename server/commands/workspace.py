"""`parley workspace …`."""

from typing import Annotated

import typer

app = typer.Typer(help="Firms' workspaces.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]
Url = Annotated[
    str | None,
    typer.Option(help="Where such links in mails lead, with {token} in it; an empty one is the built-in page."),
]
RoomUrl = Annotated[
    str | None, typer.Option(help="Where links to rooms lead, with {room} in it; an empty one is the built-in page.")
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the firm is called.")],
    slug: Annotated[
        str | None, typer.Option(help="What its people type to name it; by default made of the name.")
    ] = None,
    invitation_url: Url = None,
    sign_in_url: Url = None,
    reset_url: Url = None,
    room_url: RoomUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a firm's workspace."""
    from server.commands import firm

    urls = _named(invitation_url, sign_in_url, reset_url, room_url)
    raise typer.Exit(firm.create(name, slug, urls, as_json=as_json))


@app.command()
def update(
    slug: Annotated[str, typer.Argument(help="Which one.")],
    invitation_url: Url = None,
    sign_in_url: Url = None,
    reset_url: Url = None,
    room_url: RoomUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say where the links of a firm's mails lead."""
    from server.commands import firm

    urls = _named(invitation_url, sign_in_url, reset_url, room_url)
    raise typer.Exit(firm.update(slug, urls, as_json=as_json))


def _named(invitation: str | None, sign_in: str | None, reset: str | None, room: str | None) -> dict[str, str | None]:
    return {"invitation_url": invitation, "sign_in_url": sign_in, "reset_url": reset, "room_url": room}
