"""Issuers by the command line and by the settings."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TextIO, TypeVar
from uuid import UUID

from models.connection import UNREACHABLE
from models.issuer import IssuerRow
from resolvers.errors import Refused
from resolvers.issuer import Given, issuers_of, put_issuer, remove_issuer, the_workspace
from resolvers.process import Process
from resolvers.workspace import workspace_by_slug
from server.process import make_pool, make_process
from server.settings import Settings, SettingsError, variable

Result = TypeVar("Result")

# Between two looks for a database that isn't there yet, in seconds.
PAUSE = 1.0


def add(settings: Settings, workspace: str, given: Given, *, as_json: bool, out: TextIO = sys.stdout) -> None:
    """Raises SettingsError, as the other commands do."""

    async def work(process: Process) -> IssuerRow:
        workspace_id = await _workspace(process, workspace)
        await put_issuer(process, workspace_id, given, insecure=not settings.production)
        return next(row for row in await issuers_of(process, workspace_id) if row.issuer == given.issuer)

    row = _run(settings, work)
    _tell([row], as_json=as_json, out=out)


def show(settings: Settings, workspace: str, *, as_json: bool, out: TextIO = sys.stdout) -> None:
    async def work(process: Process) -> list[IssuerRow]:
        return await issuers_of(process, await _workspace(process, workspace))

    _tell(_run(settings, work), as_json=as_json, out=out)


def remove(settings: Settings, workspace: str, issuer: str, *, as_json: bool, out: TextIO = sys.stdout) -> None:
    async def work(process: Process) -> None:
        await remove_issuer(process, await _workspace(process, workspace), issuer)

    _run(settings, work)
    out.write(f"{json.dumps({'removed': issuer})}\n" if as_json else f"{issuer} is removed\n")


def settle(settings: Settings) -> None:
    """Put the issuer of the settings into effect, where they name one. Waits for the database.

    Raises SettingsError: there is no such workspace, or it speaks for another one.
    """
    if not settings.issuer:
        return
    given = Given(settings.issuer, settings.issuer_audience, settings.jwks_url or None, settings.issuer_key)

    async def work(process: Process) -> None:
        if settings.issuer_workspace:
            workspace_id = await _workspace(process, settings.issuer_workspace, variable("issuer_workspace"))
        elif (only := await the_workspace(process)) is not None:
            workspace_id = only
        else:
            name = variable("issuer_workspace")
            raise SettingsError(f"{name} must say which workspace {variable('issuer')} speaks for")
        await put_issuer(process, workspace_id, given, insecure=not settings.production)

    waiting = False
    while True:
        try:
            return _run(settings, work, variable("issuer"))
        except UNREACHABLE:
            if not waiting:
                sys.stderr.write("parley: waiting for the database\n")
            waiting = True
            time.sleep(PAUSE)


async def _workspace(process: Process, slug: str, subject: str = "--workspace") -> UUID:
    async with process.pool.connection() as connection:
        found = await workspace_by_slug(connection, slug)
    if found is None:
        raise SettingsError(f"{subject}: there is no workspace {slug!r}")
    return found


def _run(settings: Settings, work: Callable[[Process], Awaitable[Result]], subject: str = "issuer") -> Result:
    async def run() -> Result:
        async with make_pool(settings, size=1) as pool:
            await pool.wait(timeout=5)
            return await work(make_process(settings, pool, lambda *_: None, lambda *_: None))

    try:
        return asyncio.run(run())
    except Refused as refused:
        raise SettingsError(f"{subject}: {refused.public_message}") from None


def _tell(rows: list[IssuerRow], *, as_json: bool, out: TextIO) -> None:
    if as_json:
        told = [{**row._asdict(), "workspace_id": str(row.workspace_id), "id": str(row.id)} for row in rows]
        out.write(f"{json.dumps(told)}\n")
        return
    for row in rows:
        keys = row.jwks_url or "a key of its own"
        out.write(f"{row.issuer}  audience {row.audience}  keys {keys}\n")


def public_key(path: Path | None) -> str | None:
    """Raises SettingsError."""
    if path is None:
        return None
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"--public-key: {path} can't be read") from None
