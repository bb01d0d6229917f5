"""The real application's streams behind a real socket, in the loop of the test: what is held there is held here."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from resolvers.process import Process
from resolvers.session import identify
from resolvers.tokens import access_token
from tests.cast import Person
from tests.live.phone import PATIENCE
from tests.websocket.conftest import Client, Server


class Served:
    def __init__(self, server: Server, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack

    async def dial(self) -> Client:
        """Connected, and nothing said yet."""
        return await self._stack.enter_async_context(self.server.dial())

    async def socket(self, person: Person) -> Client:
        """Connected and acknowledged."""
        client = await self.dial()
        await client.init(**signed_in(person))
        return client

    async def listener(self, person: Person, query: str, **variables: Any) -> Client:
        """The same, with one operation, "1", that has begun."""
        client = await self.socket(person)
        await client.subscribe("1", query, variables=variables)
        await client.settled()
        return client


def signed_in(person: Person) -> dict[str, str]:
    """What a client says of its sign-in, in `connection_init` and in a header."""
    return {"authorization": f"Bearer {person.token}"}


async def hears(client: Client, *texts: str) -> None:
    """These are the next messages of the room that operation "1" tells."""
    heard = [await client.hear() for _ in texts]
    assert [(each["id"], each["type"]) for each in heard] == [("1", "next")] * len(texts)
    assert [next(iter(each["payload"]["data"].values()))["message"]["body"] for each in heard] == list(texts)


def expire_after(process: Process, person: Person, seconds: int) -> None:
    """Give somebody an access token for so long, in the place of theirs."""
    assert person.token is not None
    person.token, _ = access_token(process.token_key, identify(process, person.token), seconds)


async def until_expired(person: Person) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await person.post("{ viewer { id } }")).status_code != 401:
            await asyncio.sleep(0.02)
