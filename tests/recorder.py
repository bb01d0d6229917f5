"""How often the database is asked, and with what."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

from psycopg.pq import TransactionStatus

from models.connection import Connection

FRAME = (b"BEGIN", b"COMMIT", b"SELECT set_config", b"SET LOCAL")


class Recorded(Connection):
    """A connection that writes down what it is asked, all of them in one list."""

    said: ClassVar[list[bytes]] = []

    async def execute(self, query: Any, *arguments: Any, **more: Any) -> Any:
        self.said.append(query if isinstance(query, bytes) else str(query).encode())
        return await super().execute(query, *arguments, **more)

    async def commit(self) -> None:
        if self.info.transaction_status != TransactionStatus.IDLE:
            self.said.append(b"COMMIT")
        await super().commit()

    async def rollback(self) -> None:
        if self.info.transaction_status != TransactionStatus.IDLE:
            self.said.append(b"ROLLBACK")
        await super().rollback()


class Asked(list[bytes]):
    """Statements but for the frame of a transaction. Shown as SQL where a test fails."""

    def __repr__(self) -> str:
        return "\n".join([f"{len(self)} statements:", *(" ".join(each.decode().split()) for each in self)])


@asynccontextmanager
async def asked() -> AsyncIterator[Asked]:
    """Collects what is asked meanwhile."""
    statements = Asked()
    Recorded.said.clear()
    yield statements
    statements += [each for each in Recorded.said if not each.startswith(FRAME)]


class Trips:
    """A relay in front of the database that counts round trips: how often something is said after an answer.

    Answers are held back until nobody in this event loop has anything more to say.
    """

    PATIENCE = 0.03  # seconds

    def __init__(self) -> None:
        self.count = 0
        self._answered = True

    @asynccontextmanager
    async def before(self, url: str, folder: Path) -> AsyncIterator[str]:
        """`url`: of a database behind a Unix socket; gives the URL of the relay, whose socket lies in `folder`."""
        parts = urlsplit(url)
        (sockets,) = parse_qs(parts.query)["host"]
        name = ".s.PGSQL.5432"

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            behind, answers = writer, reader
            answers, behind = await asyncio.open_unix_connection(f"{sockets}/{name}")
            await asyncio.gather(self._ask(reader, behind), self._answer(answers, writer))

        async with await asyncio.start_unix_server(relay, folder / name):
            yield f"{parts.scheme}://{parts.username}@{parts.path}?host={quote(str(folder))}&port=5432"

    async def _ask(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await client.read(2**16):
            self.count += self._answered
            self._answered = False
            server.write(data)
        server.close()

    async def _answer(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await server.read(2**16):
            await asyncio.sleep(self.PATIENCE)
            for _ in range(20):
                await asyncio.sleep(0)
            self._answered = True
            client.write(data)
        client.close()
