"""Commands that change something: they go through `resolvers/` as everything does, and their hints leave too."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TextIO
from uuid import UUID

import psycopg
from strawberry.utils.str_converters import to_camel_case

from resolvers.errors import Code, ParleyError, Refused
from resolvers.process import Process
from resolvers.workspace import workspace_by_slug
from server.broadcast import Hints
from server.commands.audit import shown
from server.process import make_pool, make_process
from server.settings import Settings, SettingsError
from server.task_queue import TaskQueue
from server.worker import make_app

FLUSH_SECONDS = 1.0  # hints have so long to leave; sweeps find what they say anyway


def run(
    settings: Settings,
    work: Callable[[Process], Awaitable[dict[str, Any]]],
    say: Callable[[dict[str, Any]], str],
    *,
    as_json: bool,
    out: TextIO | None = None,
) -> int:
    """Do something and tell what came of it: as JSON for a program, else in a sentence. The exit status: 1 where a rule
    said no.

    Raises:
        SettingsError: for what is wrong with how it was called, or with the database.
    """
    out = out or sys.stdout
    try:
        done = asyncio.run(_run(settings, work))
    except ParleyError as error:
        refusals = error.all() if isinstance(error, Refused) else [error]
        if as_json:
            out.write(json.dumps({"errors": [_told(refusal) for refusal in refusals]}) + "\n")
        for refusal in refusals:
            sys.stderr.write(f"parley: {refusal.public_message}\n")
        return 1
    except psycopg.errors.UndefinedTable:
        raise SettingsError("the database is behind the code: run `parley migrate`") from None
    out.write((json.dumps(done) if as_json else shown(say(done))) + "\n")
    return 0


async def workspace_named(process: Process, slug: str) -> UUID:
    async with process.pool.connection() as connection:
        found = await workspace_by_slug(connection, slug)
    if found is None:
        raise Refused(Code.NOT_FOUND, f"there is no workspace {shown(slug)}", "workspace")
    return found


async def _run(settings: Settings, work: Callable[[Process], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    async with _process(settings) as process:
        return await work(process)


@asynccontextmanager
async def _process(settings: Settings) -> AsyncIterator[Process]:
    queue = TaskQueue(make_app(settings))
    hints = Hints(settings.valkey_address)
    async with make_pool(settings, size=2) as pool:
        await hints.open()
        try:
            yield make_process(settings, pool, queue.put, hints.publish)
        finally:
            await hints.flush(FLUSH_SECONDS)
            await hints.close()
            queue.close()


def _told(refusal: ParleyError) -> dict[str, Any]:
    field = refusal.field if isinstance(refusal, Refused) else None
    return {
        "code": refusal.code.value,
        "message": refusal.public_message,
        "field": None if field is None else [to_camel_case(str(part)) for part in field],
    }
