"""To whom an event of a room goes."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from models.event import EventKind, EventRow
from resolvers.stream import RoomTopic, Standing, Topic, ViewerTopic

ids = st.integers(1, 3).map(lambda number: UUID(int=number))
pairs = st.tuples(ids, ids)
standings = st.builds(Standing, st.sets(pairs, max_size=3), st.dictionaries(pairs, st.integers(1, 9), max_size=3))


def event(kind: EventKind, position: int, room: UUID | None, user: UUID | None) -> EventRow:
    return EventRow(position, 1, kind, datetime(2026, 1, 1, tzinfo=UTC), room, 1, user, None, None)


events = st.builds(event, st.sampled_from(EventKind), st.integers(1, 9), st.none() | ids, st.none() | ids)


@given(standings, events, ids, st.booleans(), st.data())
def test_where_nobody_came_or_went_all_hear(
    standing: Standing, told: EventRow, user: UUID, everywhere: bool, data: st.DataObject
) -> None:
    topic: Topic = ViewerTopic() if everywhere or told.room_id is None else RoomTopic(told.room_id)
    since = data.draw(st.integers(0, told.position - 1))
    if standing.all_hear(told):
        assert standing.hears(told, topic, user, since)


def test_it_says_so_of_a_room_in_which_all_stayed() -> None:
    room, other, user = UUID(int=1), UUID(int=2), UUID(int=3)
    standing = Standing({(other, user)}, {(other, user): 5})
    assert standing.all_hear(event(EventKind.MESSAGE_ADDED, 5, room, user))
    assert not standing.all_hear(event(EventKind.MESSAGE_ADDED, 5, other, user))
    assert not standing.all_hear(event(EventKind.PARTICIPANT_REMOVED, 5, room, user))
