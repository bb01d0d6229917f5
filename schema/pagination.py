"""Pages by the Relay cursor connection specification, in both directions.

A page's cursor holds what its viewer sees anyway (which list, and a sequence, a time with an id, or an id), plain but
opaque, and is always the same for the same edge. It names its list, so that a cursor of another one is told apart.

https://relay.dev/graphql/connections.htm
"""

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import strawberry

from resolvers.errors import Malformed
from resolvers.page import NamePage, TimePage

DEFAULT_SIZE = 50
LARGEST_SIZE = 100

Node = TypeVar("Node")
Row = TypeVar("Row")

First = Annotated[
    int | None,
    strawberry.argument(description=f"The first so many: {LARGEST_SIZE} at most, {DEFAULT_SIZE} by default."),
]
After = Annotated[str | None, strawberry.argument(description="A cursor of this list: only what stands behind it.")]
Last = Annotated[
    int | None,
    strawberry.argument(description=f"The last so many: {LARGEST_SIZE} at most. Not with `first`."),
]
Before = Annotated[str | None, strawberry.argument(description="A cursor of this list: only what stands before it.")]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether the list goes on behind this page.")
    has_previous_page: bool = strawberry.field(description="Whether the list has something before this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first edge; null when there is none.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last edge; null when there is none.")


@strawberry.type(description="A place in a list, and what stands there.")
class Edge(Generic[Node]):
    cursor: str = strawberry.field(description="Names this place: give it as `after` or `before` to go on from here.")
    node: Node = strawberry.field(description="What stands here.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[Node]):
    edges: list[Edge[Node]] = strawberry.field(description="The page, each with its cursor.")
    nodes: list[Node] = strawberry.field(description="The page, without cursors.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in its list.")
    count: strawberry.Private[Callable[[], Any]]

    @strawberry.field(description="How many there are in the whole list.")
    async def total_count(self) -> int:
        return int(await self.count())


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list is asked for."""

    size: int
    after: str | None
    before: str | None
    backward: bool


Page = TypeVar("Page", TimePage, NamePage)


def wanted_page(kind: type[Page], part: Slice, read: Callable[[str | None], Any]) -> Page:
    """The rows of a part, and one more, which tells whether the list goes on. `read`: reads this list's cursors.

    Raises:
        Malformed: as `read` does.
    """
    return kind(limit=part.size + 1, after=read(part.after), before=read(part.before), backward=part.backward)


def sliced(
    first: int | None, after: str | None, last: int | None = None, before: str | None = None, *, newest: bool = False
) -> Slice:
    """Read the four arguments; a null is the same as nothing. With neither size, a cursor says by itself which way to
    go from it; without one it is the list's beginning, or with `newest` its end.

    Raises:
        Malformed: a size below 0 or above `LARGEST_SIZE`, or both sizes.
    """
    first, after, last, before = map(_given, (first, after, last, before))
    if first is not None and last is not None:
        raise Malformed("Give `first` or `last`, not both.")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 0 <= size <= LARGEST_SIZE:
            raise Malformed(f"`{name}` is a number from 0 to {LARGEST_SIZE}.")
    if first is None and last is None:
        one_sided = (after is None) is not (before is None)
        return Slice(DEFAULT_SIZE, after, before, backward=before is not None if one_sided else newest)
    if first is not None:
        return Slice(first, after, before, backward=False)
    assert last is not None
    return Slice(last, after, before, backward=True)


def page_of(rows: Sequence[Row], part: Slice) -> tuple[list[Row], bool, bool]:
    """The rows of a page in the list's order, and whether there is something before and behind it. `rows` is one more
    than the page, where there is more, in the direction that was asked for."""
    page, more = list(rows[: part.size]), len(rows) > part.size
    # A cursor names something that stands in the list, on the far side of the page.
    before, behind = part.after is not None, part.before is not None
    if part.backward:
        return page[::-1], more or before, behind
    return page, before, more or behind


def connection(
    rows: Sequence[Row],
    part: Slice,
    *,
    node: Callable[[Row], Node],
    cursor: Callable[[Row], str],
    count: Callable[[], Any],
) -> Connection[Node]:
    page, has_previous, has_next = page_of(rows, part)
    edges = [Edge(cursor=cursor(row), node=node(row)) for row in page]
    return Connection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=page_info(edges, has_previous, has_next),
        count=count,
    )


def page_info(edges: Sequence[Any], has_previous: bool, has_next: bool) -> PageInfo:
    return PageInfo(
        has_next_page=has_next,
        has_previous_page=has_previous,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LISTS = {
    "users": b"u",
    "rooms": b"r",
    "participants": b"p",
    "messages": b"m",
    "portals": b"o",
    "clients of a portal": b"c",
    "rooms of a portal": b"h",
}


def users_cursor(user_id: UUID) -> str:
    return _written(_LISTS["users"] + user_id.bytes)


def read_users_cursor(cursor: str | None) -> UUID | None:
    if cursor is None:
        return None
    return UUID(bytes=_read(cursor, "users", 16))


def rooms_cursor(last_activity_at: datetime, room_id: UUID) -> str:
    return _written(_LISTS["rooms"] + _packed(last_activity_at) + room_id.bytes)


def read_rooms_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    raw = _read(cursor, "rooms", 24)
    return _unpacked(raw[:8]), UUID(bytes=raw[8:])


def participants_cursor(room_id: UUID, added_at: datetime, participant_id: UUID) -> str:
    return _written(_LISTS["participants"] + room_id.bytes + _packed(added_at) + participant_id.bytes)


def read_participants_cursor(cursor: str | None, room_id: UUID) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    raw = _read(cursor, "participants", 40, of=room_id)
    return _unpacked(raw[16:24]), UUID(bytes=raw[24:])


def messages_cursor(room_id: UUID, sequence: int) -> str:
    return _written(_LISTS["messages"] + room_id.bytes + sequence.to_bytes(8, "big"))


def read_messages_cursor(cursor: str | None, room_id: UUID) -> int | None:
    if cursor is None:
        return None
    sequence = int.from_bytes(_read(cursor, "messages", 24, of=room_id)[16:], "big")
    if sequence >= 2**63:
        raise _not_of_this_list()
    return sequence


def portals_cursor(portal_id: UUID) -> str:
    return _written(_LISTS["portals"] + portal_id.bytes)


def read_portals_cursor(cursor: str | None) -> UUID | None:
    if cursor is None:
        return None
    return UUID(bytes=_read(cursor, "portals", 16))


def clients_cursor(portal_id: UUID, user_id: UUID) -> str:
    return _written(_LISTS["clients of a portal"] + portal_id.bytes + user_id.bytes)


def read_clients_cursor(cursor: str | None, portal_id: UUID) -> UUID | None:
    if cursor is None:
        return None
    return UUID(bytes=_read(cursor, "clients of a portal", 32, of=portal_id)[16:])


def portal_rooms_cursor(portal_id: UUID, last_activity_at: datetime, room_id: UUID) -> str:
    return _written(_LISTS["rooms of a portal"] + portal_id.bytes + _packed(last_activity_at) + room_id.bytes)


def read_portal_rooms_cursor(cursor: str | None, portal_id: UUID) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    raw = _read(cursor, "rooms of a portal", 40, of=portal_id)
    return _unpacked(raw[16:24]), UUID(bytes=raw[24:])


def _packed(moment: datetime) -> bytes:
    return struct.pack(">q", (moment - _EPOCH) // timedelta(microseconds=1))


def _unpacked(raw: bytes) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=struct.unpack(">q", raw)[0])
    except OverflowError:
        raise _not_of_this_list() from None


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read(cursor: str, expected: str, length: int, of: UUID | None = None) -> bytes:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _not_of_this_list() from None
    payload = raw[1:]
    if raw[:1] != _LISTS[expected] or len(payload) != length or (of is not None and payload[:16] != of.bytes):
        raise _not_of_this_list()
    return payload


def _not_of_this_list() -> Malformed:
    return Malformed("That is not a cursor of this list.")


def _given(value: Any) -> Any:
    return None if value is strawberry.UNSET else value
