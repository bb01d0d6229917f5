"""Subscriptions: what can be followed live.

Each field only says which topic its stream has. The hub carries it: it executes the operation once for all
subscribers whose result is the same, with the event as the root.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import strawberry

from models.event import EventKind
from resolvers.stream import RoomTopic, Topic, ViewerTopic
from schema.context import Info
from schema.event import After, Event, MessageAdded
from schema.node_id import NodeKind, key_of

# An id that is no room's is answered like one of a room that is not there.
NOWHERE = UUID(int=0)

RoomId = Annotated[strawberry.ID, strawberry.argument(description="A room that the viewer is in.")]


@strawberry.subscription(
    description=(
        "Messages that are sent in a room. It completes when the viewer leaves the room. "
        "With `after`, what was missed comes first."
    )
)
async def message_added(info: Info, room_id: RoomId, after: After = strawberry.UNSET) -> AsyncIterator[MessageAdded]:
    room = key_of(NodeKind.ROOM, room_id) or NOWHERE
    return await _follow(info, RoomTopic(room, frozenset({EventKind.MESSAGE_ADDED})), after)


@strawberry.subscription(
    description=(
        "Whatever happens in a room that the viewer can see. It ends with `RoomLeft`, and completes, when the viewer "
        "leaves the room. With `after`, what was missed comes first."
    )
)
async def room_events(info: Info, room_id: RoomId, after: After = strawberry.UNSET) -> AsyncIterator[Event]:
    return await _follow(info, RoomTopic(key_of(NodeKind.ROOM, room_id) or NOWHERE), after)


@strawberry.subscription(
    description=(
        "Whatever happens in all rooms of the viewer, those joined later too: one subscription for a whole app. "
        "What stands between a `RoomLeft` and the next `RoomJoined` of a room is left out: query the room anew then. "
        "With `after`, what was missed comes first."
    )
)
async def viewer_events(info: Info, after: After = strawberry.UNSET) -> AsyncIterator[Event]:
    return await _follow(info, ViewerTopic(), after)


async def _follow(info: Info, topic: Topic, after: str | None) -> AsyncIterator[Any]:
    return await info.context.follow(topic, None if after is strawberry.UNSET else after)
