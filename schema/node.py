"""Things with a global id, and finding them by it."""

import asyncio
from typing import Annotated, Any

import strawberry

from resolvers.errors import Malformed
from schema.context import Info
from schema.node_id import NodeKind, read_node_id

LARGEST_LIST = 100


@strawberry.interface(description="Something with a global id.")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque, global and stable.")


async def find(info: Info, given: str) -> Node | None:
    """What an id names, where the viewer may see it. What is hidden, gone or never was looks the same: nothing."""
    from schema import message, participant, portal, room, user

    named = read_node_id(given)
    context = info.context
    loaders = context.loaders
    # Asked first, so that an id that is none needs a sign-in like any other.
    _ = context.viewer
    if named is None:
        return None
    kind, key = named
    found: Any = None
    match kind:
        case NodeKind.USER:
            found = user.shown(await loaders.visible_users.load(key))
        case NodeKind.ROOM:
            found = room.shown(await loaders.rooms.load(key))
        case NodeKind.MESSAGE:
            found = message.shown(await loaders.visible_messages.load(key))
        case NodeKind.PARTICIPANT:
            found = participant.shown(await loaders.visible_participants.load(key))
        case NodeKind.PORTAL:
            found = portal.shown(await loaders.visible_portals.load(key))
    return found  # type: ignore[no-any-return]


@strawberry.field(description="Anything by its id; null when it does not exist or is not for the viewer to see.")
async def node(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of anything.")]
) -> Node | None:
    return await find(info, id)


@strawberry.field(description="Several things by their ids, in the same order; null for each that is not to be seen.")
async def nodes(
    info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="Up to 100 ids.")]
) -> list[Node | None]:
    _ = info.context.viewer
    if len(ids) > LARGEST_LIST:
        raise Malformed(f"`ids` holds at most {LARGEST_LIST}.")
    return list(await asyncio.gather(*(find(info, each) for each in ids)))
