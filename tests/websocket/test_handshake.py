"""Who is let in, and what the log says of it: nothing."""

import logging

import pytest
from websockets.exceptions import InvalidStatus

from tests.websocket.conftest import ORIGIN, Client, Dial, Server

SECRET = "attack-at-dawn"


async def test_an_app_needs_no_origin(dial: Dial) -> None:
    client = await dial()
    assert client.wire.subprotocol == "graphql-transport-ws"
    await client.init()


async def test_a_page_of_an_allowed_origin_is_let_in(dial: Dial) -> None:
    await (await dial(origin=ORIGIN)).init()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{ORIGIN}.evil.example", "http://portal.example", f"{ORIGIN}:444"]
)
async def test_a_page_of_any_other_origin_is_not(dial: Dial, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await dial(origin=origin)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("subprotocols", [(), ("graphql-ws",), ("graphql-transport-ws2", "mqtt")])
async def test_another_subprotocol_is_not_acceptable(dial: Dial, subprotocols: tuple[str, ...]) -> None:
    client = await dial(subprotocols)
    assert client.wire.subprotocol is None
    assert await client.closed() == (4406, "Subprotocol not acceptable")


async def test_the_protocol_is_chosen_from_several(dial: Dial) -> None:
    client = await dial(("graphql-ws", "graphql-transport-ws"))
    assert client.wire.subprotocol == "graphql-transport-ws"


async def test_nothing_is_compressed(client: Client) -> None:
    assert client.wire.protocol.extensions == []


async def test_there_is_no_socket_elsewhere(server: Server, dial: Dial) -> None:
    server.address += "/elsewhere"
    with pytest.raises(InvalidStatus) as refused:
        await dial()
    assert refused.value.response.status_code == 403


async def test_the_log_says_nothing_of_single_sockets(
    server: Server, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.address += f"/graphql?query={SECRET}&"
    client = await dial()
    await client.init()
    await client.wire.close()
    with pytest.raises(InvalidStatus):
        await dial(origin=f"https://{SECRET}.example")
    await server.left()
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "parley", "websockets"))] == []
