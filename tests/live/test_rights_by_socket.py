"""The rights of who listens by a WebSocket, with the real hub behind it: how a socket ends, and what comes before."""

from typing import Any

import pytest

from resolvers import stream
from resolvers.process import Process
from server.connections import Bounds
from tests.cast import Person, sign_in_of
from tests.live.endings import Ending, ends
from tests.live.hold import Hold, cursor_of, has_read, reader
from tests.live.phone import TEXTS, Switchboard
from tests.live.served import Served, expire_after, hears, signed_in, until_expired
from tests.live.streams import STREAMS, follows

ENDED = (4403, "Forbidden: This sign-in has ended.")


SEND = """
    mutation ($room: ID!, $body: String!) {
      sendMessage(input: {roomId: $room, body: $body}) { userErrors { code } }
    }
"""


class TestASignInThatEnds:
    """By a sign-out, by a deactivation, or because its time has run out."""

    @ends
    @follows
    async def test_closes_the_socket_though_nothing_happens_in_the_room(
        self, served: Served, process: Process, ada: Person, cleo: Person, end: Ending, name: str
    ) -> None:
        room = await ada.make_room(cleo)
        client, other = [await served.listener(each, STREAMS[name], room=room) for each in (cleo, ada)]
        await end(process, cleo)
        assert await client.closed() == ENDED
        await ada.send(room, "Behind it")
        await hears(other, "Behind it")

    @ends
    @pytest.mark.parametrize("query", ["{ viewer { id } }", "mutation { signOut { userErrors { code } } }", TEXTS])
    async def test_while_it_is_verified_closes_the_socket_at_the_first_operation(
        self,
        served: Served,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        end: Ending,
        query: str,
    ) -> None:
        """Between `connection_init` and `connection_ack`: the database has said yes, and its answer is on its way."""
        room = await ada.make_room(cleo)
        held = Hold(monkeypatch, live.hub, "verify", behind=True)
        client = await served.dial()
        await client.say(type="connection_init", payload=signed_in(cleo))
        await held.reached.wait()
        await end(process, cleo)
        held.let_go()
        assert await client.hear() == {"type": "connection_ack"}
        await client.subscribe("1", query, variables={"room": room})
        assert await client.closed() == ENDED

    @ends
    @follows
    async def test_before_one_subscribes_closes_the_socket(
        self,
        served: Served,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        end: Ending,
        name: str,
    ) -> None:
        """Between `connection_ack` and `subscribe`: the reader has told of it to nobody."""
        room = await ada.make_room(cleo)
        client, other = await served.socket(cleo), await served.listener(ada, TEXTS, room=room)
        await end(process, cleo)
        await has_read(live, ada, process)
        await client.subscribe("1", STREAMS[name], variables={"room": room})
        assert await client.closed() == ENDED
        await ada.send(room, "Behind it")
        await hears(other, "Behind it")

    @ends
    @follows
    @pytest.mark.parametrize("read", [True, False], ids=["and told", "and not told yet"])
    async def test_while_one_subscribes_closes_the_socket(
        self,
        served: Served,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        end: Ending,
        name: str,
        read: bool,
    ) -> None:
        """The judgement is from before it. Then the reader comes to it, or has come to it already."""
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        client = await served.socket(cleo)
        held = Hold(monkeypatch, stream, "judge", behind=True)
        await client.subscribe("1", STREAMS[name], variables={"room": room})
        await held.reached.wait()
        reading = Hold(monkeypatch, stream, "read_on")
        await end(process, cleo)
        await ada.send(room, "Behind it")
        if read:
            reading.let_go()
            await has_read(live, ada, process)
        held.let_go()
        if not read:
            await client.settled()
            reading.let_go()
        assert await client.closed() == ENDED

    @ends
    async def test_closes_a_socket_that_waits_for_what_it_missed(
        self,
        served: Served,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        end: Ending,
    ) -> None:
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        cursor = await cursor_of(cleo)
        await ada.send(room, "Missed")
        held = Hold(monkeypatch, stream, "standing")
        client = await served.listener(cleo, TEXTS, room=room, after=cursor)
        await held.reached.wait()
        await end(process, cleo)
        await has_read(live, ada, process)
        held.let_go()
        assert await client.closed() == ENDED

    async def test_is_nothing_to_the_users_other_sign_ins(
        self, served: Served, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        here = await served.listener(cleo, TEXTS, room=room)
        mine, other = cleo.token, await sign_in_of(process, cleo.workspace_id, cleo.user_id)
        cleo.token = other.access_token
        there = await served.listener(cleo, TEXTS, room=room)
        cleo.token = mine
        await cleo.do("signOut")
        assert await here.closed() == ENDED
        await ada.send(room, "Still one")
        await hears(there, "Still one")

    @ends
    async def test_lets_nobody_in_again(
        self, served: Served, process: Process, ada: Person, cleo: Person, end: Ending
    ) -> None:
        await end(process, cleo)
        client = await served.dial()
        await client.say(type="connection_init", payload=signed_in(cleo))
        assert await client.closed() == ENDED


class TestAnAccessTokenThatExpires:
    """It is for opening a connection, and for requests; what a connection lives by is its sign-in."""

    async def test_cuts_no_stream_and_no_operation_of_the_connection(
        self, served: Served, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        expire_after(process, cleo, 3)
        client = await served.listener(cleo, TEXTS, room=room)
        await until_expired(cleo)
        await ada.send(room, "Still heard")
        await hears(client, "Still heard")
        answer = await client.ask("{ viewer { user { id } } }")
        assert answer["payload"] == {"data": {"viewer": {"user": {"id": cleo.id}}}}
        await client.subscribe("2", SEND, variables={"room": room, "body": "Still said"})
        heard = [await client.hear() for _ in range(3)]
        assert sorted((each["id"], each["type"]) for each in heard) == [("1", "next"), ("2", "complete"), ("2", "next")]
        await client.subscribe("3", TEXTS, variables={"room": room})
        await client.settled()

    async def test_opens_no_connection(self, served: Served, process: Process, cleo: Person) -> None:
        expire_after(process, cleo, -1)
        client = await served.dial()
        await client.say(type="connection_init", payload=signed_in(cleo))
        assert await client.closed() == (4403, "Forbidden: The access token is not valid, or has expired.")

    @pytest.mark.parametrize("bounds", [Bounds(seconds=2)])
    async def test_counts_again_when_the_connection_has_lived_its_time(
        self, served: Served, live: Switchboard, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        client = await served.listener(cleo, TEXTS, room=room)
        assert await client.closed() == (4403, "Forbidden: This connection has lived its time.")
        await served.server.left()
        assert list(reader(live, cleo)._roster) == []


class TestWhoCanKnowThatTheyAreSubscribed:
    """Misses nothing that is written from then on."""

    @pytest.fixture
    async def room(self, live: Switchboard, ada: Person, cleo: Person) -> str:
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        return room

    @follows
    @pytest.mark.parametrize("behind", [False, True], ids=["before the database", "behind the database"])
    async def test_by_a_pong(
        self,
        served: Served,
        ada: Person,
        cleo: Person,
        room: str,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        behind: bool,
    ) -> None:
        """It is held at the moment of its judgement: a pong that came now would promise what isn't so."""
        client = await served.socket(cleo)
        held = Hold(monkeypatch, stream, "judge", behind=behind)
        await client.subscribe("1", STREAMS[name], variables={"room": room})
        await client.say(type="ping")
        await held.reached.wait()
        # It is answered at once, though it was said later: so a pong that doesn't wait has come before it.
        await client.subscribe("refused", "{")
        assert (await client.hear())["id"] == "refused"
        held.let_go()
        assert await client.hear() == {"type": "pong"}
        await ada.send(room, "At once")
        await hears(client, "At once")

    @follows
    async def test_by_saying_it_themselves_right_behind(
        self, served: Served, cleo: Person, room: str, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        client = await served.socket(cleo)
        held = Hold(monkeypatch, stream, "judge")
        await client.subscribe("1", STREAMS[name], variables={"room": room})
        await client.subscribe("2", SEND, variables={"room": room, "body": "At once"})
        await held.reached.wait()
        await client.subscribe("refused", "{")
        assert (await client.hear())["id"] == "refused"
        held.let_go()
        heard = [await client.hear() for _ in range(3)]
        assert {"id": "2", "type": "next", "payload": {"data": {"sendMessage": {"userErrors": []}}}} in heard
        assert {"id": "2", "type": "complete"} in heard
        ((told,),) = [[*each["payload"]["data"].values()] for each in heard if each["id"] == "1"]
        assert told["message"]["body"] == "At once"

    async def test_by_the_first_event_that_they_resume_from(
        self, served: Served, ada: Person, cleo: Person, room: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is in the log shows it too: what is written then comes behind the rest of it."""
        cursor = await cursor_of(cleo)
        monkeypatch.setattr("server.hub.replay.PAGE", 1)
        for text in ("One", "Two"):
            await ada.send(room, text)
        client = await served.socket(cleo)
        await client.subscribe("1", TEXTS, variables={"room": room, "after": cursor})
        await hears(client, "One")
        await ada.send(room, "At once")
        await hears(client, "Two", "At once")


class TestARemoval:
    async def test_completes_the_operation_and_leaves_the_socket(
        self, served: Served, ada: Person, cleo: Person
    ) -> None:
        room, other = await ada.make_room(cleo), await ada.make_room(cleo)
        client = await served.listener(cleo, STREAMS["roomEvents"], room=room)
        await client.subscribe("2", TEXTS, variables={"room": other})
        await client.settled()
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.send(room, "Among ourselves")
        assert (await client.hear())["payload"]["data"]["roomEvents"]["__typename"] == "RoomLeft"
        assert await client.hear() == {"id": "1", "type": "complete"}
        await client.subscribe("1", TEXTS, variables={"room": room})
        answer: Any = await client.hear()
        assert (answer["id"], answer["type"]) == ("1", "error")
        assert answer["payload"][0]["extensions"] == {"code": "NOT_FOUND"}
        await ada.send(other, "Elsewhere")
        assert (await client.hear())["payload"]["data"]["messageAdded"]["message"]["body"] == "Elsewhere"


@pytest.mark.parametrize("bounds", [Bounds(connections_of_user=1)])
async def test_all_sign_ins_of_a_user_count_together(
    served: Served, process: Process, ada: Person, cleo: Person
) -> None:
    room = await ada.make_room(cleo)
    first, other = [await served.listener(each, TEXTS, room=room) for each in (cleo, ada)]
    again = await sign_in_of(process, cleo.workspace_id, cleo.user_id)
    cleo.token = again.access_token
    second = await served.dial()
    await second.say(type="connection_init", payload=signed_in(cleo))
    assert await second.closed() == (1013, "Too many connections")
    await ada.send(room, "For both")
    for client in (first, other):
        await hears(client, "For both")
