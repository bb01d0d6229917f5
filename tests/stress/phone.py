"""A subscriber on a train: it loses its connection at any moment, and continues behind its last event on whichever
server it meets."""

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.protocol import State

from schema.node_id import NodeKind, key_of, node_id
from tests.stress.firm import Api, Firm, NoAnswer, Person
from tests.stress.judge import Account, Got, Stream

_MESSAGE = "message { sequence body viewerCanEdit author { name } }"
_EVENTS = (
    "__typename cursor ... on RoomEvent { room { id } } ... on RoomLeft { roomId }"
    f" ... on MessageAdded {{ {_MESSAGE} }} ... on MessageUpdated {{ {_MESSAGE} }}"
    f" ... on MessageDeleted {{ {_MESSAGE} }} ... on ReadReceiptUpdated {{ participants {{ lastReadAt }} }}"
)
_ADDED = f"__typename cursor room {{ id }} {_MESSAGE}"
_OF_ROOM = "subscription ($room: ID!, $after: String) {{ {stream}(roomId: $room, after: $after) {{ {selection} }} }}"
_OF_VIEWER = "subscription ($after: String) {{ {stream}(after: $after) {{ {selection} }} }}"

# How a server may end a connection: it stops, or it can't serve just now.
_FAIR_ENDS = {1012, 1013}

# A pong that comes later does not tell that its sender is subscribed (docs/websocket.md).
_TELLING_SECONDS = 5.0


class Phone:
    def __init__(
        self,
        firm: Firm,
        person: Person,
        stream: Stream,
        room_id: UUID | None,
        chance: Random,
        *,
        counts: bool = False,
        invited: bool = True,
    ) -> None:
        """`counts`: whether what it asks for differs from viewer to viewer. `invited`: its person is in the room, at
        least at times."""
        where = f" of room {str(room_id)[-4:]}" if room_id else ""
        self.account = Account(
            f"{person.name}'s {stream}{where}", person.user_id, person.internal, stream, room_id=room_id
        )
        self.person = person
        self.connections = 0
        self.ends: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._firm = firm
        self._chance = chance
        self._invited = invited
        self._room = node_id(NodeKind.ROOM, room_id) if room_id else None
        selection = _ADDED if stream is Stream.MESSAGES else _EVENTS
        self._document = (_OF_ROOM if room_id else _OF_VIEWER).format(
            stream=stream.value, selection=selection.replace("id }", "id unreadCount }", 1) if counts else selection
        )
        self._cursor = ""
        self._server: Api | None = None
        self._hops = 0
        self._operation = 0
        self._asked_at = 0.0
        self._begun: float | None = None
        self._settled = False
        self._drop = asyncio.Event()

    async def start(self) -> None:
        """Know from which event on everything is owed."""
        while not self._cursor:
            with suppress(NoAnswer):
                data = await self._firm.ask(self.person, self._chance, "{ viewer { eventCursor } }")
                self._cursor = data["viewer"]["eventCursor"]
                self.account.start = self._firm.position(self.person, self._cursor) or 0

    async def ride(self) -> None:
        """For ever."""
        while True:
            seconds = None if self._settled else self._stretch()
            try:
                await self._call(self._next_server(), seconds)
            except WebSocketException as error:
                self._ended(error)
                await asyncio.sleep(self._chance.uniform(0.05, 0.5))
            except OSError:
                self.ends["no connection"] += 1
                await asyncio.sleep(self._chance.uniform(0.05, 0.5))
            self._begun = None
            if not (self._settled or self._hops):
                await asyncio.sleep(self._chance.choice((0, 0, 0.1, 0.5, 1.5, 4)))

    def has(self, position: int) -> bool:
        """Whether it has come so far."""
        got = self.account.got
        return position <= max(self.account.start, (got[-1].position or 0) if got else 0)

    def settle(self) -> None:
        """From now on it stays where it is connected."""
        self._settled = True
        self._drop.set()

    def _next_server(self) -> Api:
        """Another one while it moves, and else any."""
        others = [api for api in self._firm.servers if not (self._hops and api is self._server)]
        self._server = self._chance.choice(others)
        return self._server

    def _stretch(self) -> float:
        """How many seconds it stays connected this time. Now and then it moves three times within two seconds."""
        if self._hops:
            self._hops -= 1
            return self._chance.uniform(0.02, 0.6)
        if self._chance.random() < 0.2:
            self._hops = 3
        return self._chance.uniform(0.3, 9)

    async def _call(self, api: Api, seconds: float | None) -> None:
        socket = await connect(
            f"ws://127.0.0.1:{api.port}/graphql",
            subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
            compression=None,
            proxy=None,
            ping_interval=None,
            close_timeout=0.2,
        )
        self.connections += 1
        talking = asyncio.create_task(self._talk(socket))
        dropped = asyncio.create_task(self._until_dropped(seconds))
        try:
            await asyncio.wait((talking, dropped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            talking.cancel()
            dropped.cancel()
            outcome, _ = await asyncio.gather(talking, dropped, return_exceptions=True)
            await self._hang_up(socket)
        if isinstance(outcome, Exception):
            raise outcome

    async def _until_dropped(self, seconds: float | None) -> None:
        if seconds is None:
            await asyncio.Event().wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._drop.wait(), seconds)

    async def _hang_up(self, socket: ClientConnection) -> None:
        way = self._chance.choice(("closed", "cut", "cut", "cut", "in mid-frame", "half-open"))
        self.ends[way] += 1
        if way == "closed":
            await socket.close()
        elif way == "half-open":
            # Nobody reads, and the server is not told.
            socket.transport.pause_reading()
            asyncio.get_running_loop().call_later(self._chance.uniform(1, 15), socket.transport.abort)
        else:
            if way == "in mid-frame" and socket.state is State.OPEN:
                socket.transport.write(b"\x81\xfe\x01\x00abcd" + b"x" * 17)
            socket.transport.abort()

    async def _talk(self, socket: ClientConnection) -> None:
        await _say(socket, type="connection_init", payload={"authorization": f"Bearer {self.person.token}"})
        ack = json.loads(await socket.recv())
        if ack["type"] != "connection_ack":
            self.complaints.append(f"{self.account.name}: not acknowledged: {ack}")
        await self._subscribe(socket)
        async for frame in socket:
            message = json.loads(frame)
            if message["type"] == "ping":
                await _say(socket, type="pong")
            elif message["type"] == "pong":
                self._hear_pong(message.get("payload") or {})
            elif message.get("id") != str(self._operation):
                self.complaints.append(f"{self.account.name}: {message['type']} behind the end of its operation")
            elif message["type"] == "next":
                self._take(message["payload"])
            else:
                self._end_of_stream(message)
                await asyncio.sleep(self._chance.uniform(0.05, 0.8))
                await self._subscribe(socket)

    async def _subscribe(self, socket: ClientConnection) -> None:
        self._operation += 1
        self._begun = None
        self._asked_at = time.time()
        variables = {"room": self._room, "after": self._cursor} if self._room else {"after": self._cursor}
        payload = {"query": self._document, "variables": variables}
        await _say(socket, type="subscribe", id=str(self._operation), payload=payload)
        await _say(socket, type="ping", payload={"operation": self._operation})

    def _hear_pong(self, payload: dict[str, Any]) -> None:
        now = time.time()
        if payload.get("operation") == self._operation and now - self._asked_at < _TELLING_SECONDS:
            self._begun = now
            if not self._invited:
                self.complaints.append(f"{self.account.name}: subscribed to a room that they never were in")

    def _take(self, payload: dict[str, Any]) -> None:
        if payload.get("errors"):
            self.complaints.append(f"{self.account.name}: an event with errors: {payload['errors']}")
        if not payload.get("data"):
            return
        [event] = payload["data"].values()
        room = event["roomId"] if "roomId" in event else event["room"]["id"]
        message = event.get("message") or {}
        self._cursor = event["cursor"]
        self.account.got.append(
            Got(
                self._firm.position(self.person, self._cursor),
                event["__typename"],
                time.time(),
                key_of(NodeKind.ROOM, room),
                message.get("sequence"),
                message.get("body"),
                self._begun,
            )
        )

    def _end_of_stream(self, message: dict[str, Any]) -> None:
        self._begun = None
        if message["type"] == "complete":
            self.ends["completed"] += 1
            fair = self._room is not None
        else:
            code = message["payload"][0]["extensions"]["code"]
            self.ends[code] += 1
            fair = code == "RATE_LIMITED" or (code == "NOT_FOUND" and self._room is not None)
        if not fair:
            self.complaints.append(f"{self.account.name}: {message}")

    def _ended(self, error: WebSocketException) -> None:
        received = error.rcvd if isinstance(error, ConnectionClosed) else None
        self.ends[f"closed with {received.code}" if received else type(error).__name__] += 1
        if received and received.code not in _FAIR_ENDS:
            self.complaints.append(f"{self.account.name}: closed with {received.code} {received.reason}")


async def _say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))
