"""Portals: where a firm's clients are. Only internal users ever see one."""

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from models.column import belongs_to, string, timestamp
from models.statement import Statement, columns, integer, nothing, scalar, table, text, uuid, uuids
from models.user import UserRow, users


class Portal(SQLModel, table=True):
    __tablename__ = "portal"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        # Query.portals, in the order of names.
        sa.Index("portal_by_name", "workspace_id", "name_key", "id"),
    )

    workspace_id: UUID
    id: UUID
    name: str = string()
    name_key: str = string()
    created_at: datetime = timestamp(now=True)


class PortalClient(SQLModel, table=True):
    """That a client belongs to a portal. Several portals can have the same client."""

    __tablename__ = "portal_client"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "portal_id", "user_id"),
        belongs_to("portal", "portal_id"),
        belongs_to("user", "user_id"),
        # User.portals.
        sa.Index("portal_client_by_user", "workspace_id", "user_id", "portal_id"),
    )

    workspace_id: UUID
    portal_id: UUID
    user_id: UUID
    added_at: datetime = timestamp(now=True)


class PortalRow(NamedTuple):
    id: UUID
    name: str
    name_key: str
    created_at: datetime


class ClientRow(NamedTuple):
    """A client, as one of a portal's."""

    portal_id: UUID
    user: UserRow


def client_row(portal_id: UUID, *user: Any) -> ClientRow:
    return ClientRow(portal_id, UserRow(*user))


class ClientsPortal(NamedTuple):
    """A portal, as one of a client's."""

    user_id: UUID
    portal: PortalRow


def clients_portal(user_id: UUID, *portal: Any) -> ClientsPortal:
    return ClientsPortal(user_id, PortalRow(*portal))


portals = table(Portal)
portal_clients = table(PortalClient)
of_workspace = portals.c.workspace_id == uuid("workspace_id")
_shown = columns(PortalRow, portals)
_client = sa.and_(
    portal_clients.c.workspace_id == uuid("workspace_id"),
    portal_clients.c.portal_id == uuid("portal_id"),
    portal_clients.c.user_id == uuid("user_id"),
)

insert_portal = Statement(
    sa.insert(portals).values(
        workspace_id=uuid("workspace_id"), id=uuid("id"), name=text("name"), name_key=text("name_key")
    ),
    nothing,
)
rename_portal = Statement(
    sa.update(portals)
    .where(of_workspace, portals.c.id == uuid("portal_id"))
    .values(name=text("new_name"), name_key=text("new_name_key")),
    nothing,
)

# FOR SHARE: for whoever puts somebody or something into it. Those go on beside each other, and whoever takes out waits.
lock_portal = Statement(
    sa.select(*_shown).where(of_workspace, portals.c.id == uuid("portal_id")).with_for_update(read=True), PortalRow
)
lock_portal_to_change = Statement(
    sa.select(*_shown).where(of_workspace, portals.c.id == uuid("portal_id")).with_for_update(key_share=True),
    PortalRow,
)

insert_client: Statement[UUID] = Statement(
    postgresql.insert(portal_clients)
    .values(workspace_id=uuid("workspace_id"), portal_id=uuid("portal_id"), user_id=uuid("user_id"))
    .on_conflict_do_nothing()
    .returning(portal_clients.c.user_id),
    scalar,
)
delete_client: Statement[UUID] = Statement(
    sa.delete(portal_clients).where(_client).returning(portal_clients.c.user_id), scalar
)

portals_by_id = Statement(sa.select(*_shown).where(of_workspace, portals.c.id == sa.any_(uuids("ids"))), PortalRow)
portals_count: Statement[int] = Statement(sa.select(sa.func.count()).select_from(portals).where(of_workspace), scalar)
portals_of_users = Statement(
    sa.select(portal_clients.c.user_id, *_shown)
    .select_from(
        portal_clients.join(
            portals,
            sa.and_(
                portals.c.workspace_id == portal_clients.c.workspace_id, portals.c.id == portal_clients.c.portal_id
            ),
        )
    )
    .where(of_workspace, portal_clients.c.user_id == sa.any_(uuids("user_ids")))
    .order_by(portals.c.name_key, portals.c.id),
    clients_portal,
)
client_counts = Statement(
    sa.select(portal_clients.c.portal_id, sa.func.count())
    .where(
        portal_clients.c.workspace_id == uuid("workspace_id"),
        portal_clients.c.portal_id == sa.any_(uuids("portal_ids")),
    )
    .group_by(portal_clients.c.portal_id),
    lambda portal_id, count: (portal_id, count),
)


@cache
def portals_page(*, after: bool, before: bool, backward: bool) -> Statement[PortalRow]:
    """Portals of a workspace by name; `backward` gives the end of the list, in reverse."""
    page = sa.select(*_shown).where(of_workspace, *_between(portals, after=after, before=before))
    return Statement(page.order_by(*_by_name(portals, backward)).limit(integer("limit")), PortalRow)


@cache
def clients_pages(*, after: bool, before: bool, backward: bool) -> Statement[ClientRow]:
    """A page of the clients of each of several portals in one statement, by name; each portal's rows stand together."""
    portal = (
        sa.func.unnest(uuids("portal_ids"))
        .table_valued(sa.column("portal_id", sa.Uuid()), name="wanted")
        .render_derived()
    )
    page = (
        sa.select(portal_clients.c.portal_id, *columns(UserRow, users))
        .select_from(
            portal_clients.join(
                users,
                sa.and_(users.c.workspace_id == portal_clients.c.workspace_id, users.c.id == portal_clients.c.user_id),
            )
        )
        .where(
            portal_clients.c.workspace_id == uuid("workspace_id"),
            portal_clients.c.portal_id == portal.c.portal_id,
            *_between(users, after=after, before=before),
        )
        .order_by(*_by_name(users, backward))
        .limit(integer("limit"))
        .lateral("page")
    )
    names = ("portal_id", *UserRow._fields)
    return Statement(
        sa.select(*(page.c[name] for name in names)).select_from(portal.join(page, sa.true())),
        client_row,
    )


def _between(listed: sa.Table, *, after: bool, before: bool) -> list[sa.ColumnElement[bool]]:
    """Bounds of a page by (name, id). A cursor names whom or what it stands at; the name is read here."""
    place = sa.tuple_(listed.c.name_key, listed.c.id)
    wanted: list[sa.ColumnElement[bool]] = []
    if after:
        wanted.append(place > _place(listed, "after"))
    if before:
        wanted.append(place < _place(listed, "before"))
    return wanted


def _place(listed: sa.Table, edge: str) -> Any:
    at = listed.alias(f"at_{edge}")
    name = sa.select(at.c.name_key).where(at.c.workspace_id == uuid("workspace_id"), at.c.id == uuid(edge))
    return sa.tuple_(name.scalar_subquery(), uuid(edge))


def _by_name(listed: sa.Table, backward: bool) -> list[Any]:
    by = [listed.c.name_key, listed.c.id]
    return [column.desc() for column in by] if backward else by


delete_memberships_of_user = Statement(
    sa.delete(portal_clients).where(
        portal_clients.c.workspace_id == uuid("workspace_id"), portal_clients.c.user_id == uuid("user_id")
    ),
    nothing,
)

portals_named: Statement[UUID] = Statement(
    sa.select(portals.c.id).where(
        portals.c.workspace_id == uuid("workspace_id"),
        sa.or_(portals.c.name_key == text("name_key"), portals.c.id == uuid("id")),
    ),
    scalar,
)
