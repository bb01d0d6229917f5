"""A subscriber of a test: what it was given, and how it ended."""

import asyncio
import json
import os
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from server.graphql.asked import Asked
from server.graphql.execution import Execution
from server.graphql.streams import Rejected, Results
from server.hub.hub import Hub
from server.hub.subscriber import Subscriber
from tests.cast import Person

PATIENCE = float(os.environ.get("PARLEY_TEST_PATIENCE", "20"))

TEXTS = """
    subscription ($room: ID!, $after: String) {
      messageAdded(roomId: $room, after: $after) { cursor message { sequence body } }
    }
"""


class Phone:
    """An outlet that keeps everything."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.ended: str | None = None
        self.errors: list[Any] = []
        self.most: int | None = None
        self.full = False
        self.stream: Subscriber | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def connection(self) -> Hashable:
        return self

    def next(self, payload: bytes) -> bool:
        assert self.ended is None, "nothing comes behind the end"
        if self.most is not None and len(self.payloads) >= self.most:
            self._end("cut")
            return False
        self.payloads.append(payload)
        self._changed.set()
        return True

    def next_all(self, results: Results) -> bool:
        if self.most is not None and len(self.payloads) + len(results.payloads) > self.most:
            return False
        for payload in results.payloads:
            self.next(payload)
        return True

    def complete(self) -> None:
        self._end("complete")

    def error(self, errors: Sequence[Any]) -> None:
        self.errors = list(errors)
        self._end("error")

    def expel(self, reason: str) -> None:
        self._end("expelled")

    async def room(self) -> None:
        await self._room.wait()

    def take_everything(self) -> None:
        self.full = False
        self._room.set()

    @property
    def told(self) -> list[Any]:
        return [json.loads(payload) for payload in self.payloads]

    @property
    def events(self) -> list[Any]:
        return [each["data"]["messageAdded"] for each in self.told]

    @property
    def texts(self) -> list[str]:
        return [event["message"]["body"] for event in self.events]

    @property
    def cursor(self) -> str:
        found: str = self.events[-1]["cursor"]
        return found

    @property
    def codes(self) -> list[str]:
        return [each["extensions"]["code"] for each in self.errors]

    async def until(self, condition: Callable[["Phone"], bool]) -> None:
        """Wait for it; what was given is shown where it does not come."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"it has {self.payloads}, {self.ended}, {self.errors}") from None

    async def has(self, *texts: str) -> None:
        """Wait until it has as many, and see that they are these."""
        await self.until(lambda phone: len(phone.payloads) >= len(texts))
        assert self.texts == list(texts)

    def _end(self, how: str) -> None:
        assert self.ended is None, "it ends once"
        self.ended = how
        self._changed.set()


class Switchboard:
    """Connects phones to a hub."""

    def __init__(self, hub: Hub, execution: Execution) -> None:
        self.hub = hub
        self.execution = execution

    async def call(self, person: Person, room: str, after: str | None = None, query: str = TEXTS, **more: Any) -> Phone:
        """Subscribe.

        Raises:
            Rejected, Unauthenticated: as the hub does.
        """
        return await self.follow(person, query, room=room, after=after, **more)

    async def follow(self, person: Person, query: str, **variables: Any) -> Phone:
        """The same by any document."""
        phone = variables.pop("phone", None) or Phone()
        who = None if person.token is None else self.execution.engine.identify(person.token)
        prepared = self.execution.prepare(Asked(query, None, variables, {}), lambda: who)
        phone.stream = await self.hub.subscribe(prepared, who, phone)
        return phone

    async def refused(self, person: Person, room: str, after: str | None = None, query: str = TEXTS) -> list[str]:
        """The codes with which a subscription is refused."""
        try:
            await self.call(person, room, after, query)
        except Rejected as rejected:
            return [each["extensions"]["code"] for each in rejected.errors]
        raise AssertionError("it was not refused")
