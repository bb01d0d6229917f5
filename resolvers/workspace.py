"""Workspaces: making one, and where the links of its mails lead. For the command line: no user makes a firm."""

import re
from uuid import UUID

from models import event as events
from models import workspace as workspaces
from models.audit import Action, Actor
from models.connection import Connection
from models.event import EventKind
from models.ids import new_id
from resolvers.errors import Code, Refused
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.text import workspace_name
from resolvers.url_template import ROOM, TOKEN, url_template

# As in a host name.
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


async def create_workspace(process: Process, name: str, slug: str) -> UUID:
    """Make a firm's workspace, with its line of events, whose first event is the making.

    `slug`: what its people type to name it; lower case, unique.

    Raises:
        Refused: what is wrong with the name or the slug; ALREADY_EXISTS at `slug`.
    """
    workspace_id = new_id()
    shown = workspace_name(name)
    if not _SLUG.fullmatch(slug):
        raise Refused(Code.INVALID, "A slug has 1 to 63 of a to z, 0 to 9 and hyphens, none of them at an end.", "slug")

    async def create(transaction: Transaction) -> UUID:
        connection = transaction.connection
        if await workspaces.insert_workspace.first(connection, id=workspace_id, name=shown, slug=slug) is None:
            raise Refused(Code.ALREADY_EXISTS, "There is a workspace of this slug already.", "slug")
        await events.insert_line.send(connection, workspace_id=workspace_id)
        transaction.record(EventKind.WORKSPACE_CREATED)
        transaction.audit(Action.WORKSPACE_CREATED, actor_id=None, by=Actor.OPERATOR)
        return workspace_id

    return await operate(process, workspace_id, create)


async def set_urls(transaction: Transaction, changed: dict[str, str | None]) -> dict[str, str | None]:
    """Set where the links of a firm's mails lead; None is the built-in page, and what is not named stays. As they are
    now.

    Raises:
        Refused: INVALID, at the name of the address.
    """
    where = {"workspace_id": transaction.workspace_id}
    before = await workspaces.urls.one(transaction.connection, **where)
    now = {**before, **{name: _template(name, given) for name, given in changed.items()}}
    if now != before:
        await workspaces.set_urls.send(transaction.connection, **where, **now)
        transaction.audit(
            Action.WORKSPACE_UPDATED,
            actor_id=None,
            by=Actor.OPERATOR,
            **{name: value for name, value in now.items() if value != before[name]},
        )
    return now


async def workspace_by_slug(connection: Connection, slug: str) -> UUID | None:
    found = await workspaces.workspace_by_slug.first(connection, slug=slug)
    return found and found.id


def _template(name: str, given: str | None) -> str | None:
    if given is None:
        return None
    try:
        return url_template(given, ROOM if name == "room_url" else TOKEN)
    except Refused as refused:
        raise Refused(refused.code, refused.public_message, name) from None
