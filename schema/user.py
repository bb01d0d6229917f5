"""People, as others see them."""

from typing import TYPE_CHECKING, Annotated, Any, overload
from uuid import UUID

import strawberry

from models.user import UserRow
from resolvers import user as users
from schema.context import Info
from schema.enums import UserKind, UserStatus
from schema.node import Node
from schema.node_id import NodeKind, node_id
from schema.pagination import After, Connection, First, connection, read_users_cursor, sliced, users_cursor
from schema.permissions import VisibleTo
from schema.scalars import URL

if TYPE_CHECKING:
    from schema.portal import Portal


@strawberry.type(description="Somebody with an account in the workspace.")
class User(Node):
    name: str = strawberry.field(description="What they are called.")
    kind: UserKind = strawberry.field(description="Which side of the portal they are on.")
    avatar_url: URL | None = strawberry.field(description="A picture of them.")
    email: str | None = strawberry.field(
        description="Their address. Users see their own.", extensions=[VisibleTo(UserKind.INTERNAL, or_self=True)]
    )
    status: UserStatus | None = strawberry.field(
        description="Where their account stands.", extensions=[VisibleTo(UserKind.INTERNAL)]
    )
    user_key: strawberry.Private[UUID]

    @strawberry.field(
        description="The portals that they are a client of, by name.", extensions=[VisibleTo(UserKind.INTERNAL)]
    )
    async def portals(self, info: Info) -> list[Annotated["Portal", strawberry.lazy("schema.portal")]] | None:
        from schema import portal

        return [portal.shown(row.portal) for row in await info.context.loaders.portals_by_user.load(self.user_key)]


@overload
def shown(row: UserRow) -> User: ...
@overload
def shown(row: None) -> None: ...
def shown(row: UserRow | None) -> User | None:
    return row and User(
        id=node_id(NodeKind.USER, row.id),
        name=row.name,
        kind=UserKind(row.kind),
        avatar_url=None if row.avatar_url is None else URL(row.avatar_url),
        email=row.email,
        status=UserStatus(row.status),
        user_key=row.id,
    )


async def author(info: Info, user_id: UUID) -> User:
    """Somebody whom the viewer has met in something that they may read."""
    row = await info.context.loaders.authors.load(user_id)
    assert row is not None, "only who has never been in is ever deleted"
    return shown(row)


Query = Annotated[
    str | None, strawberry.argument(description="Only those with this in their name or address, whatever its case.")
]
Kind = Annotated[UserKind | None, strawberry.argument(description="Only those on this side of the portal.")]
Status = Annotated[UserStatus | None, strawberry.argument(description="Only accounts that stand so.")]


@strawberry.field(
    name="users",
    description="The workspace's people, by name: whom one could add to a room.",
    extensions=[VisibleTo(UserKind.INTERNAL)],
)
async def users_field(
    info: Info,
    query: Query = strawberry.UNSET,
    kind: Kind = strawberry.UNSET,
    status: Status = strawberry.UNSET,
    first: First = strawberry.UNSET,
    after: After = strawberry.UNSET,
) -> Connection[User] | None:
    context = info.context
    viewer = context.viewer
    part = sliced(first, after)
    filters: dict[str, Any] = {"query": query or None, "kind": kind or None, "status": status or None}
    start = read_users_cursor(part.after)
    rows = await context.read(
        lambda reader: users.users_page(reader, viewer, after=start, limit=part.size + 1, **filters)
    )
    return connection(
        rows,
        part,
        node=shown,
        cursor=lambda row: users_cursor(row.id),
        count=lambda: context.read(lambda reader: users.users_count(reader, viewer, **filters)),
    )
