"""Several results that go to a client in one piece."""

from hypothesis import given
from hypothesis import strategies as st

from server.connections import Bounds
from server.graphql.payload import encode
from server.graphql.streams import Results
from server.websocket.frame import Frames, head
from tests.http.toy import ToyEngine
from tests.websocket.conftest import Dial, until
from tests.websocket.toy import ToyStreams
from tests.websocket.wire import Road, Wire

TEXTS = st.one_of(st.text(), st.integers(min_value=0, max_value=70_000).map("x".__mul__))


def results(*values: object) -> Results:
    return Results([encode({"data": {"tick": value}}) for value in values])


@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_they_are_the_frames_of_each(texts: list[str], ids: list[str]) -> None:
    """To the byte, whoever else was given them before under an id of the same length or another one."""
    together = results(*texts)
    for each in map(Frames, ids):
        one_by_one = [each.next(payload) for payload in together.payloads]
        assert each.all(together) == b"".join(head(len(text)) + text for text in one_by_one)
        assert len(each.all(together)) <= each.size(together) or any(len(text) > 65_535 for text in one_by_one)
        assert len(together.made) == 1


async def test_a_client_hears_each_under_its_own_id(dial: Dial, streams: ToyStreams) -> None:
    client = await dial()
    await client.init()
    for id in ("a", "b", "another one"):
        await client.subscribe(id)
    await until(lambda: len(streams.feeds) == 3)
    together = results("é", 2, {"three": "x" * 300})
    for feed in streams.feeds:
        assert feed.outlet.next_all(together)
    heard = [await client.hear() for _ in range(9)]
    assert [(each["id"], each["payload"]["data"]["tick"]) for each in heard] == [
        (id, value) for id in ("a", "b", "another one") for value in ("é", 2, {"three": "x" * 300})
    ]


async def test_nothing_is_given_where_not_all_can_go_at_once(engine: ToyEngine, streams: ToyStreams) -> None:
    road = Road()
    way = Wire(engine, streams, Bounds(bytes=10_000), road)
    way.subscribe("1")
    await until(lambda: bool(streams.feeds))
    await way.settled()
    (feed,) = streams.feeds
    way.sent.clear()
    assert not feed.outlet.next_all(results("x" * 6_000, "y" * 6_000)), "more than the bound"
    way.taken.clear()
    road.writable.clear()
    congested = results(1, 2)
    assert not feed.outlet.next_all(congested), "the transport is congested"
    assert congested.made == {}, "for nothing"
    assert feed.give("waits")
    await way.settled()
    road.writable.set()
    assert not feed.outlet.next_all(results(1, 2)), "they would overtake what waits"
    way.taken.set()
    await way.settled()
    assert [each["payload"]["data"]["tick"] for each in way.sent] == ["waits"]
    assert feed.outlet.next_all(results(1, 2))
    assert [each["payload"]["data"]["tick"] for each in way.sent] == ["waits", 1, 2]
    feed.outlet.complete()
    assert not feed.outlet.next_all(results(3, 4)), "it is over"
    await way.hang_up()


async def test_ids_count_in_the_size_of_a_piece(engine: ToyEngine, streams: ToyStreams) -> None:
    """An id of a client's own making may be longer than the result."""
    way = Wire(engine, streams, Bounds(bytes=10_000), Road())
    way.subscribe("\x01" * 500)
    await until(lambda: bool(streams.feeds))
    await way.settled()
    together = results(*range(200))
    assert together.size < 10_000
    assert not streams.feeds[0].outlet.next_all(together)
    assert together.made == {}
    await way.hang_up()


async def test_nothing_goes_in_one_piece_past_a_server_that_offers_no_way(
    engine: ToyEngine, streams: ToyStreams
) -> None:
    way = Wire(engine, streams, Bounds())
    way.subscribe("1")
    await until(lambda: bool(streams.feeds))
    assert not streams.feeds[0].outlet.next_all(results(1, 2))
    await way.hang_up()
