"""Subscriptions: what can be followed live.

Each field only says which topic its stream has. The hub carries it: it executes the operation once for all
subscribers whose result is the same, with the event as the root.
"""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import strawberry

from models.event import EventKind
from resolvers.stream import RoomTopic
from schema.context import Info
from schema.event import After, MessageAdded
from schema.node_id import NodeKind, key_of

# An id that is no room's is answered like one of a room that is not there.
NOWHERE = UUID(int=0)


@strawberry.subscription(
    description=(
        "Messages that are sent in a room. It completes when the viewer leaves the room. "
        "With `after`, what was missed comes first."
    )
)
async def message_added(
    info: Info,
    room_id: Annotated[strawberry.ID, strawberry.argument(description="A room that the viewer is in.")],
    after: After = strawberry.UNSET,
) -> AsyncIterator[MessageAdded]:
    room = key_of(NodeKind.ROOM, room_id) or NOWHERE
    topic = RoomTopic(room, frozenset({EventKind.MESSAGE_ADDED}))
    return await info.context.follow(topic, None if after is strawberry.UNSET else after)
