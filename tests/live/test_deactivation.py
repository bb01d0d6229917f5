"""A deactivation ends everything at once on all nodes; and whoever stays learns who manages now."""

import copy
import itertools
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from resolvers import account
from resolvers.operation import operate
from resolvers.process import Process
from server.embedded.valkey import EmbeddedValkey
from tests.api import Api, dialled, serving, sign_in
from tests.cast import Person, sign_in_of
from tests.live.endings import is_deactivated
from tests.live.phone import PATIENCE, Switchboard
from tests.live.streams import STREAMS
from tests.live.test_events import Listener
from tests.live.test_rights_by_socket import ENDED, SEND
from tests.live.test_state import EVENTS, App
from tests.races import rows
from tests.sse.events import Events
from tests.test_account import do_work
from tests.websocket.conftest import Client

TOLD_THE_END = {"errors": [{"message": "This sign-in has ended.", "extensions": {"code": "UNAUTHENTICATED"}}]}


class TestOnTwoNodes:
    @pytest.fixture
    def own_valkey(self) -> Iterator[EmbeddedValkey]:
        with EmbeddedValkey.temporary() as server:
            yield server

    @pytest.mark.parametrize("without", [False, True], ids=["by hints", "by the sweep"])
    async def test_every_stream_socket_and_token_of_theirs_ends(
        self,
        own_valkey: EmbeddedValkey,
        stack: AsyncExitStack,
        tmp_path: Path,
        database_url: str,
        process: Process,
        ada: Person,
        cleo: Person,
        without: bool,
    ) -> None:
        nodes = [
            await stack.enter_async_context(serving(tmp_path / name, database_url, own_valkey)) for name in ("a", "b")
        ]
        await sign_in([ada, cleo], nodes[0].client)
        tokens = [cleo.token, await another_token(cleo)]
        refresh = (await tokens_of(cleo))["refreshToken"]
        room = await ada.make_room(cleo)
        sockets, streams, idle = [], [], []
        for node, name in itertools.product(nodes, STREAMS):
            for token in tokens:
                sockets.append(
                    await stack.enter_async_context(listening_by_socket(node, as_of(cleo, token), STREAMS[name], room))
                )
                streams.append(
                    await stack.enter_async_context(listening_by_sse(node, as_of(cleo, token), STREAMS[name], room))
                )
        for node in nodes:
            cleo.client = node.client
            idle.append(Client(await stack.enter_async_context(dialled(cleo))))
        other = await stack.enter_async_context(listening_by_socket(nodes[1], ada, STREAMS["messageAdded"], room))
        if without:
            own_valkey.stop()
        await ada.done("deactivateUser", {"userId": cleo.id})
        assert [await client.closed() for client in sockets] == [ENDED] * len(sockets)
        for events in streams:
            assert await events.next() == ("next", TOLD_THE_END)
            assert await events.next() == ("complete", None)
        for client in idle:
            await client.subscribe("1", SEND, variables={"room": room, "body": "Too late"})
            assert await client.closed() == ENDED
        for node, token in itertools.product(nodes, tokens):
            cleo.client, cleo.token = node.client, token
            assert (await cleo.post("{ viewer { id } }")).status_code == 401
        cleo.token = None
        refused = await cleo.refused("refreshSession", {"refreshToken": refresh})
        assert refused == [("INVALID_CREDENTIALS", ["refreshToken"])]
        # Those of others go on.
        await ada.send(room, "Behind it")
        assert (await other.hear())["payload"]["data"]["messageAdded"]["message"]["body"] == "Behind it"
        assert await rows(process, "SELECT body FROM message") == [("Behind it",)]


async def tokens_of(person: Person) -> Any:
    token, person.token = person.token, None
    signed_in = await person.done(
        "signIn", {"email": person.member.email, "password": "parley-test"}, "session { accessToken refreshToken }"
    )
    person.token = token
    return signed_in["session"]


async def another_token(person: Person) -> str:
    return str((await tokens_of(person))["accessToken"])


def as_of(person: Person, token: str | None) -> Person:
    """The same at another device."""
    device = copy.copy(person)
    device.token = token
    return device


@asynccontextmanager
async def listening_by_socket(node: Api, person: Person, query: str, room: str) -> AsyncIterator[Client]:
    caller = as_of(person, person.token)
    caller.client = node.client
    async with dialled(caller) as wire:
        client = Client(wire)
        await client.subscribe("1", query, variables={"room": room})
        await client.settled()
        yield client


@asynccontextmanager
async def listening_by_sse(node: Api, person: Person, query: str, room: str) -> AsyncIterator[Events]:
    """Its place is on the line once the answer has begun."""
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {person.token}"}
    body = {"query": query, "variables": {"room": room}}
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as client,
        client.stream("POST", f"{node.url}/graphql/stream", json=body, headers=headers) as response,
    ):
        assert response.status_code == 200
        yield Events(response)


async def deactivate(process: Process, person: Person) -> None:
    await is_deactivated(process, person)
    await do_work(process)


async def activate(process: Process, person: Person) -> None:
    await operate(
        process, person.workspace_id, lambda transaction: account.activate_user(transaction, None, person.user_id)
    )
    await do_work(process)


class TestWhoManages:
    async def test_internal_people_are_told_and_clients_hear_nothing(
        self, live: Switchboard, process: Process, ada: Person, ben: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(ben, cleo)
        query = """
            subscription {
              viewerEvents { __typename cursor ... on RoomUpdated { room { viewerCanManage managedBy { id } } } }
            }
        """
        phones = [await live.follow(person, query, phone=Listener()) for person in (ben, cleo)]
        await deactivate(process, ada)
        # An event carries the state of when it is read.
        await phones[0].until(lambda phone: phone.events and phone.events[-1]["__typename"] == "RoomUpdated")
        await activate(process, ada)
        await ben.send(room, "The last")
        for phone in phones:
            await phone.until(lambda phone: phone.events and phone.events[-1]["__typename"] == "MessageAdded")
        told = [event["room"] for event in phones[0].events if event["__typename"] == "RoomUpdated"]
        assert told == [
            {"viewerCanManage": True, "managedBy": {"id": ben.id}},
            {"viewerCanManage": False, "managedBy": {"id": ada.id}},
        ]
        assert [event["__typename"] for event in phones[1].events] == ["MessageAdded"]

    @pytest.mark.parametrize("seed", range(3))
    async def test_whoever_applies_the_events_has_what_a_fresh_query_gives(
        self,
        live: Switchboard,
        process: Process,
        ada: Person,
        ben: Person,
        cleo: Person,
        max_: Person,
        seed: int,
    ) -> None:
        """Whatever becomes of who made the rooms, and of whoever stands in."""
        chance = random.Random(seed)
        await activate(process, max_)
        max_.token = (await sign_in_of(process, max_.workspace_id, max_.user_id)).access_token
        rooms = [await ada.make_room(max_, ben, cleo), await max_.make_room(ada, cleo, ben), await ada.make_room(ben)]
        apps = [App(ben), App(cleo)]
        phones = []
        for app in apps:
            await app.query()
            phones.append(await live.follow(app.person, EVENTS, phone=Listener(), after=app.cursor))
        for _ in range(25):
            await chance.choice([deactivate, activate])(process, chance.choice([ada, max_]))
        last = (await ben.send(rooms[0], "The last"))["id"]
        for app, phone in zip(apps, phones, strict=True):
            await phone.until(
                lambda phone: (
                    phone.payloads and (phone.events[-1].get("messageEdge") or {}).get("node", {}).get("id") == last
                )
            )
            for event in phone.events:
                await app.apply(event)
            fresh = App(app.person)
            await fresh.query()
            assert app.rooms == fresh.rooms, app.person.member.name
