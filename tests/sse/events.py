"""A client of /graphql/stream, which hears event by event."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.websocket.conftest import SECONDS, Server


class Events:
    """A response, event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, Any] | str | None:
        """An event with its data, a comment, or None at the end."""
        name, data = "", ""
        async with asyncio.timeout(SECONDS):
            async for line in self._lines:
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data:"):
                    data = line.removeprefix("data:").strip()
                elif line == "":
                    return (name, json.loads(data) if data else None) if name else "comment"
        return None


@asynccontextmanager
async def stream(server: Server, query: str, **more: Any) -> AsyncIterator[Events]:
    headers = {"accept": "text/event-stream", **more.pop("headers", {})}
    body = {"query": query, **more.pop("members", {})}
    async with httpx.AsyncClient() as client:
        url = f"http://{server.address}/graphql/stream"
        if more.pop("method", "POST") == "GET":
            request = client.stream("GET", url, params=body, headers=headers)
        else:
            request = client.stream("POST", url, json=body, headers=headers)
        async with request as response:
            yield Events(response)


async def played(clients: Path, address: str, query: str, *more: str) -> Any:
    """What npm's graphql-sse comes to see of a server's stream."""
    pipe = asyncio.subprocess.PIPE
    arguments = ("graphql-sse.mjs", f"http://{address}/graphql/stream", query, *more)
    process = await asyncio.create_subprocess_exec("node", *arguments, cwd=clients, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(30):
        out, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return json.loads(out)
