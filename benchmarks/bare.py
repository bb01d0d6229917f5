"""What Parley is compared with: handlers that do as little as can be done."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.message import MessageRow, messages_pages
from models.room import rooms_by_id
from models.session import signed_in_user
from models.user import UserRow, users_by_id
from schema.node_id import NodeKind, node_id
from server.process import make_pool
from server.settings import load

JSON = "application/graphql-response+json"


def constant() -> Starlette:
    """The same bytes each time, from the file that BENCH_BYTES names."""
    body = Path(os.environ["BENCH_BYTES"]).read_bytes()

    async def answer(request: Request) -> Response:
        await request.body()
        return Response(body, media_type=JSON)

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


def straight() -> Starlette:
    """A page of history by Parley's own statements, in one snapshot, and by orjson: no GraphQL, no checks.

    BENCH_KEYS: the ids of workspace, session, viewer and room.
    """
    workspace_id, session_id, viewer_id, room_id = map(UUID, os.environ["BENCH_KEYS"].split())
    pool = make_pool(load())
    here = {"workspace_id": workspace_id}

    async def answer(request: Request) -> Response:
        await request.body()
        async with pool.connection() as connection:
            await connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await signed_in_user.first(connection, **here, session_id=session_id, user_id=viewer_id)
            (room,) = await rooms_by_id.all(connection, **here, viewer_id=viewer_id, ids=[room_id])
            rows = await messages_pages(backward=True).all(
                connection, **here, room_ids=[room_id], after=0, before=2**63 - 1, limit=51
            )
            authors = {row.author_id for row in rows}
            people = {row.id: row for row in await users_by_id.all(connection, **here, ids=list(authors))}
            await connection.commit()
        nodes = [message(row, people[row.author_id], viewer_id) for row in reversed(rows[:50])]
        shown = {"id": node_id(NodeKind.ROOM, room.id), "name": room.name, "messages": {"nodes": nodes}}
        return Response(orjson.dumps({"data": {"room": shown}}), media_type=JSON)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with pool:
            yield

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])], lifespan=lifespan)


def message(row: MessageRow, author: UserRow, viewer_id: UUID) -> dict[str, Any]:
    mine = row.author_id == viewer_id and row.deleted_at is None
    return {
        "id": node_id(NodeKind.MESSAGE, row.id),
        "sequence": row.sequence,
        "body": row.body,
        "createdAt": moment(row.created_at),
        "editedAt": moment(row.edited_at),
        "deletedAt": moment(row.deleted_at),
        "author": {"id": node_id(NodeKind.USER, author.id), "name": author.name, "kind": author.kind},
        "viewerCanEdit": mine,
        "viewerCanDelete": mine,
    }


def moment(given: datetime | None) -> str | None:
    return None if given is None else given.isoformat().replace("+00:00", "Z")
