"""Kill -9 of the API in the middle of sends, and a client that sends all of them again."""

import asyncio
from pathlib import Path

import httpx
import psycopg

from schema.node_id import NodeKind, key_of
from server.embedded.valkey import EmbeddedValkey
from tests.cast import PASSWORD
from tests.running import free_port, running, until_ready

SENDS = 200
SIGN_IN = """
    mutation ($email: String!, $password: String!) {
      signIn(input: {email: $email, password: $password}) { session { accessToken } userErrors { code } }
    }
"""
CREATE = """mutation { createRoom(input: {name: "Crash"}) { room { id } } }"""
SEND = """
    mutation ($room: ID!, $key: String!) {
      sendMessage(input: {roomId: $room, body: $key, idempotencyKey: $key}) { message { sequence } userErrors { code } }
    }
"""


async def test_two_hundred_sends_through_a_kill_make_exactly_two_hundred_messages(
    database_url: str, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "port": port,
        "database_url": database_url,
        "valkey_url": valkey.url,
        "broker_url": valkey.broker_url,
        "data_dir": tmp_path,
    }

    async def ask(client: httpx.AsyncClient, query: str, **variables: str) -> dict[str, dict[str, object]]:
        answer = await client.post("/graphql", json={"query": query, "variables": variables})
        return answer.json()["data"]  # type: ignore[no-any-return]

    async def send_all(client: httpx.AsyncClient, room: str) -> list[object]:
        some = asyncio.Semaphore(16)

        async def send(number: int) -> object:
            async with some:
                return (await ask(client, SEND, room=room, key=f"send {number}"))["sendMessage"]["message"]

        return await asyncio.gather(*(send(number) for number in range(SENDS)), return_exceptions=True)

    with running("serve", tmp_path, **settings) as server:
        await asyncio.to_thread(until_ready, server, url)
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            signed_in = await ask(client, SIGN_IN, email="ada@firm.test", password=PASSWORD)
            token = signed_in["signIn"]["session"]["accessToken"]  # type: ignore[index]
            client.headers["authorization"] = f"Bearer {token}"
            room = str((await ask(client, CREATE))["createRoom"]["room"]["id"])  # type: ignore[index]
            sending = asyncio.create_task(send_all(client, room))
            while _count(database_url) < SENDS // 4:
                await asyncio.sleep(0.005)
            server.kill()
            lost = [result for result in await sending if isinstance(result, Exception)]
            assert lost, "the server was killed too late to lose an answer"
            before = _count(database_url)
            assert before < SENDS
    with running("serve", tmp_path, **settings) as server:
        await asyncio.to_thread(until_ready, server, url)
        async with httpx.AsyncClient(base_url=url, timeout=30, headers={"authorization": f"Bearer {token}"}) as client:
            again = await send_all(client, room)
    assert sorted(message["sequence"] for message in again) == list(range(1, SENDS + 1))  # type: ignore[index]
    with psycopg.connect(database_url) as connection:
        kept = connection.execute(
            "SELECT sequence, body FROM message WHERE room_id = %s ORDER BY sequence", [_key(room)]
        )
        rows = kept.fetchall()
        assert [sequence for sequence, _ in rows] == list(range(1, SENDS + 1))
        assert len({body for _, body in rows}) == SENDS
        told = connection.execute(
            "SELECT sequence FROM event WHERE kind = 'MESSAGE_ADDED' ORDER BY sequence"
        ).fetchall()
        assert [sequence for (sequence,) in told] == list(range(1, SENDS + 1))


def _count(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM message").fetchone()
        assert row is not None
        return int(row[0])


def _key(room: str) -> object:
    return key_of(NodeKind.ROOM, room)
