"""What `parley workspace …` and `parley portal …` do."""

import re
import unicodedata
from typing import Any

from models.audit import Actor
from resolvers.operation import operate
from resolvers.portal import make_portal
from resolvers.process import Process
from resolvers.workspace import create_workspace, set_urls
from schema.node_id import NodeKind, node_id
from server.commands.operating import run, workspace_named
from server.commands.reaching import reached

Urls = dict[str, str | None]


def create(name: str, slug: str | None, urls: Urls, *, as_json: bool) -> int:
    chosen = slug if slug is not None else _slug_of(name)

    async def work(process: Process) -> dict[str, Any]:
        workspace_id = await create_workspace(process, name, chosen)
        kept = await operate(process, workspace_id, lambda transaction: set_urls(transaction, _given(urls)))
        return {"id": str(workspace_id), "name": name.strip(), "slug": chosen, **_shown(kept)}

    return run(reached(), work, lambda done: f"made {done['name']} ({done['slug']})", as_json=as_json)


def update(slug: str, urls: Urls, *, as_json: bool) -> int:
    async def work(process: Process) -> dict[str, Any]:
        workspace_id = await workspace_named(process, slug)
        kept = await operate(process, workspace_id, lambda transaction: set_urls(transaction, _given(urls)))
        return {"id": str(workspace_id), "slug": slug, **_shown(kept)}

    def say(done: dict[str, Any]) -> str:
        return "; ".join(f"{name}: {done[name] or 'the built-in page'}" for name in done if name.endswith("Url"))

    return run(reached(), work, say, as_json=as_json)


def create_portal(name: str, workspace: str, *, as_json: bool) -> int:
    async def work(process: Process) -> dict[str, Any]:
        workspace_id = await workspace_named(process, workspace)
        portal_id = await operate(
            process,
            workspace_id,
            lambda transaction: make_portal(transaction, name, actor_id=None, by=Actor.OPERATOR),
        )
        return {"id": node_id(NodeKind.PORTAL, portal_id), "name": name.strip()}

    return run(reached(), work, lambda done: f"made {done['name']} ({done['id']})", as_json=as_json)


def _given(urls: Urls) -> Urls:
    """What was left out stays; an empty one is the built-in page."""
    return {name: value or None for name, value in urls.items() if value is not None}


def _shown(urls: Urls) -> Urls:
    return {
        "invitationUrl": urls["invitation_url"],
        "signInUrl": urls["sign_in_url"],
        "resetUrl": urls["reset_url"],
        "roomUrl": urls["room_url"],
    }


def _slug_of(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")
