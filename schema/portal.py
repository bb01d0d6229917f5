"""Portals: where a firm's clients are. For the firm's own people only."""

from datetime import datetime
from typing import Annotated, overload
from uuid import UUID

import strawberry

from models.portal import PortalRow
from resolvers import portal as portals
from resolvers.page import NamePage, TimePage
from schema.context import Info
from schema.enums import UserKind
from schema.errors import Given, UserError, mutation, user_errors
from schema.node import Node
from schema.node_id import NodeKind, key_of, node_id
from schema.pagination import (
    After,
    Before,
    Connection,
    Edge,
    First,
    Last,
    clients_cursor,
    connection,
    portal_rooms_cursor,
    portals_cursor,
    read_clients_cursor,
    read_portal_rooms_cursor,
    read_portals_cursor,
    sliced,
    wanted_page,
)
from schema.permissions import VisibleTo
from schema.room import Room
from schema.room import shown as shown_room
from schema.user import User
from schema.user import shown as shown_user


@strawberry.type(description="A portal of the firm, with the clients that are at home in it. Clients never see one.")
class Portal(Node):
    name: str = strawberry.field(description="What it is called.")
    created_at: datetime = strawberry.field(description="When it was made.")
    row: strawberry.Private[PortalRow]

    @strawberry.field(
        description="Its clients by name, whatever their status: it says who has not come yet, or is gone."
    )
    async def clients(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[User]:
        loaders = info.context.loaders
        part = sliced(first, after, last, before)
        page = wanted_page(NamePage, part, lambda cursor: read_clients_cursor(cursor, self.row.id))
        return connection(
            await loaders.clients_by_portal(page).load(self.row.id),
            part,
            node=lambda row: shown_user(row.user),
            cursor=lambda row: clients_cursor(row.portal_id, row.user.id),
            count=lambda: loaders.client_counts_by_portal.load(self.row.id),
        )

    @strawberry.field(
        description="The rooms linked to it that the viewer is in, latest message activity first; archived ones too."
    )
    async def rooms(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Room]:
        loaders = info.context.loaders
        part = sliced(first, after, last, before)
        page = wanted_page(TimePage, part, lambda cursor: read_portal_rooms_cursor(cursor, self.row.id))
        return connection(
            await loaders.rooms_by_portal(page).load(self.row.id),
            part,
            node=shown_room,
            cursor=lambda row: portal_rooms_cursor(self.row.id, row.last_activity_at, row.id),
            count=lambda: loaders.room_counts_by_portal.load(self.row.id),
        )


@overload
def shown(row: PortalRow) -> Portal: ...
@overload
def shown(row: None) -> None: ...
def shown(row: PortalRow | None) -> Portal | None:
    return row and Portal(id=node_id(NodeKind.PORTAL, row.id), name=row.name, created_at=row.created_at, row=row)


@strawberry.field(
    description="A portal; null when it does not exist in this workspace.", extensions=[VisibleTo(UserKind.INTERNAL)]
)
async def portal(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The portal's id.")]
) -> Portal | None:
    key = key_of(NodeKind.PORTAL, id)
    return None if key is None else shown(await info.context.loaders.visible_portals.load(key))


@strawberry.field(
    name="portals", description="The workspace's portals, by name.", extensions=[VisibleTo(UserKind.INTERNAL)]
)
async def portals_field(
    info: Info,
    first: First = strawberry.UNSET,
    after: After = strawberry.UNSET,
    last: Last = strawberry.UNSET,
    before: Before = strawberry.UNSET,
) -> Connection[Portal] | None:
    context = info.context
    viewer = context.viewer
    part = sliced(first, after, last, before)
    page = wanted_page(NamePage, part, read_portals_cursor)
    return connection(
        await context.read(lambda reader: portals.portals_page(reader, viewer, page)),
        part,
        node=shown,
        cursor=lambda row: portals_cursor(row.id),
        count=lambda: context.read(lambda reader: portals.portals_count(reader, viewer)),
    )


@strawberry.input(description="Make a portal.")
class CreatePortalInput:
    name: str = strawberry.field(description="1 to 200 characters.")


@strawberry.type(description="What making a portal gave.")
class CreatePortalPayload:
    portal: Portal | None = strawberry.field(default=None, description="The portal.")
    portal_edge: Edge[Portal] | None = strawberry.field(
        default=None, description="The same with its cursor, ready to put into Query.portals."
    )
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Give a portal another name.")
class RenamePortalInput:
    portal_id: strawberry.ID = strawberry.field(description="Which portal.")
    name: str = strawberry.field(description="1 to 200 characters.")


@strawberry.type(description="What renaming gave.")
class RenamePortalPayload:
    portal: Portal | None = strawberry.field(default=None, description="The portal, as it is now called.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Take a client out of a portal.")
class RemoveClientFromPortalInput:
    portal_id: strawberry.ID = strawberry.field(description="Which portal.")
    user_id: strawberry.ID = strawberry.field(description="Whom.")


@strawberry.type(description="What taking out gave.")
class RemoveClientFromPortalPayload:
    portal: Portal | None = strawberry.field(default=None, description="The portal.")
    removed_user_id: strawberry.ID | None = strawberry.field(
        default=None, description="Who is not one of its clients any more."
    )
    user_errors: list[UserError] = user_errors()


@mutation(CreatePortalPayload, "Make a portal. Any of the firm's own people does.")
async def create_portal(info: Info, input: Given[CreatePortalInput]) -> CreatePortalPayload | None:
    context = info.context
    portal_id = await context.perform(
        lambda transaction: portals.create_portal(transaction, context.viewer, input.name)
    )
    made = await _portal_after(info, portal_id)
    return CreatePortalPayload(portal=made, portal_edge=Edge(cursor=portals_cursor(portal_id), node=made))


@mutation(RenamePortalPayload, "Give a portal another name. Any of the firm's own people does.")
async def rename_portal(info: Info, input: Given[RenamePortalInput]) -> RenamePortalPayload | None:
    context = info.context
    portal_id = await context.perform(
        lambda transaction: portals.rename_portal(
            transaction, context.viewer, key_of(NodeKind.PORTAL, input.portal_id), input.name
        )
    )
    return RenamePortalPayload(portal=await _portal_after(info, portal_id))


@mutation(
    RemoveClientFromPortalPayload,
    "Take a client out of a portal. Any of the firm's own people does; in the rooms that they are in they stay.",
)
async def remove_client_from_portal(
    info: Info, input: Given[RemoveClientFromPortalInput]
) -> RemoveClientFromPortalPayload | None:
    context = info.context
    portal_id, user_id = await context.perform(
        lambda transaction: portals.remove_client(
            transaction,
            context.viewer,
            key_of(NodeKind.PORTAL, input.portal_id),
            key_of(NodeKind.USER, input.user_id),
        )
    )
    return RemoveClientFromPortalPayload(
        portal=await _portal_after(info, portal_id), removed_user_id=node_id(NodeKind.USER, user_id)
    )


async def _portal_after(info: Info, portal_id: UUID) -> Portal:
    row = await info.context.loaders.visible_portals.load(portal_id)
    assert row is not None, "portals are never deleted"
    return shown(row)
