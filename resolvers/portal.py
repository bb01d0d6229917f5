"""Portals: where a firm's clients are. Every internal user makes and keeps them; to a client there is none."""

from collections.abc import Sequence
from uuid import UUID

from models import portal as portals
from models import user as users
from models.audit import Action, Actor
from models.connection import Connection
from models.ids import new_id
from models.portal import ClientRow, ClientsPortal, PortalRow
from resolvers.door import still_signed_in
from resolvers.errors import Malformed, NotFound
from resolvers.operation import Transaction
from resolvers.page import NamePage
from resolvers.text import NAME_LIMIT, folded, portal_name
from resolvers.viewer import Viewer, internal_only


async def visible_portals(connection: Connection, viewer: Viewer, ids: Sequence[UUID]) -> list[PortalRow]:
    """Those of the named portals that the viewer may see: to a client there is none."""
    if not viewer.is_internal:
        return []
    return await portals.portals_by_id.all(connection, workspace_id=viewer.workspace_id, ids=list(ids))


async def portals_page(connection: Connection, viewer: Viewer, page: NamePage) -> list[PortalRow]:
    """The workspace's portals by name. For internal viewers only: the field's mark says so.

    Raises:
        Malformed: a cursor is no portal of the workspace.
    """
    rows = await portals.portals_page(**page.shape).all(connection, workspace_id=viewer.workspace_id, **page.bounds)
    if not rows and page.cursors and len(await visible_portals(connection, viewer, page.cursors)) < len(page.cursors):
        raise Malformed("That is not a cursor of this list.")
    return rows


async def portals_count(connection: Connection, viewer: Viewer) -> int:
    return await portals.portals_count.one(connection, workspace_id=viewer.workspace_id)


async def clients_of_portals(
    connection: Connection, viewer: Viewer, portal_ids: Sequence[UUID], page: NamePage
) -> list[ClientRow]:
    """The same page of the clients of each of these portals, which the viewer has been given already.

    Raises:
        Malformed: a cursor is nobody of the workspace.
    """
    rows = await portals.clients_pages(**page.shape).all(
        connection, workspace_id=viewer.workspace_id, portal_ids=list(portal_ids), **page.bounds
    )
    if not rows and page.cursors:
        known = await users.users_by_id.all(connection, workspace_id=viewer.workspace_id, ids=page.cursors)
        if len(known) < len(page.cursors):
            raise Malformed("That is not a cursor of this list.")
    return rows


async def client_counts(connection: Connection, viewer: Viewer, portal_ids: Sequence[UUID]) -> dict[UUID, int]:
    return dict(
        await portals.client_counts.all(connection, workspace_id=viewer.workspace_id, portal_ids=list(portal_ids))
    )


async def portals_of_users(connection: Connection, viewer: Viewer, user_ids: Sequence[UUID]) -> list[ClientsPortal]:
    """The portals of each of these users, by name. For internal viewers only: the field's mark says so."""
    return await portals.portals_of_users.all(connection, workspace_id=viewer.workspace_id, user_ids=list(user_ids))


async def portals_named(
    connection: Connection, workspace_id: UUID, name: str, portal_id: UUID | None = None
) -> list[UUID]:
    """The portals of a name, or of an id. For the command line: it asks for no viewer."""
    return await portals.portals_named.all(
        connection, workspace_id=workspace_id, name_key=folded(name.strip()[:NAME_LIMIT]), id=portal_id
    )


async def create_portal(transaction: Transaction, viewer: Viewer, name: str) -> UUID:
    """
    Raises:
        Refused: FORBIDDEN for a client; what is wrong with the name.
        Unauthenticated: the sign-in has ended.
    """
    internal_only(viewer)
    await still_signed_in(transaction, viewer)
    return await make_portal(transaction, name, actor_id=viewer.user_id)


async def make_portal(transaction: Transaction, name: str, *, actor_id: UUID | None, by: Actor = Actor.USER) -> UUID:
    """Put a portal into the workspace, for whoever may.

    Raises:
        Refused: what is wrong with the name.
    """
    shown = portal_name(name)
    portal_id = new_id()
    await portals.insert_portal.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        id=portal_id,
        name=shown,
        name_key=folded(shown),
    )
    transaction.audit(Action.PORTAL_CREATED, actor_id=actor_id, by=by, portal_id=portal_id)
    return portal_id


async def rename_portal(transaction: Transaction, viewer: Viewer, portal_id: UUID | None, name: str) -> UUID:
    """
    Raises:
        Refused: FORBIDDEN for a client; NOT_FOUND; what is wrong with the name.
        Unauthenticated: the sign-in has ended.
    """
    portal = await _portal_to_change(transaction, viewer, portal_id)
    shown = portal_name(name)
    if shown != portal.name:
        await portals.rename_portal.send(
            transaction.connection,
            workspace_id=viewer.workspace_id,
            portal_id=portal.id,
            new_name=shown,
            new_name_key=folded(shown),
        )
        transaction.audit(Action.PORTAL_RENAMED, actor_id=viewer.user_id, portal_id=portal.id)
    return portal.id


async def remove_client(
    transaction: Transaction, viewer: Viewer, portal_id: UUID | None, user_id: UUID | None
) -> tuple[UUID, UUID]:
    """Take a client out of a portal; in the rooms that they are in they stay. Who is not in it is out already, which
    is no error.

    Raises:
        Refused: FORBIDDEN for a client; NOT_FOUND for a portal, or somebody, not of the workspace.
        Unauthenticated: the sign-in has ended.
    """
    portal = await _portal_to_change(transaction, viewer, portal_id)
    workspace_id = viewer.workspace_id
    known = await users.users_by_id.all(transaction.connection, workspace_id=workspace_id, ids=[user_id])
    if user_id is None or not known:
        raise NotFound("user_id")
    gone = await portals.delete_client.first(
        transaction.connection, workspace_id=workspace_id, portal_id=portal.id, user_id=user_id
    )
    if gone is not None:
        transaction.audit(Action.CLIENT_REMOVED, actor_id=viewer.user_id, portal_id=portal.id, user_id=user_id)
    return portal.id, user_id


async def portal_for(transaction: Transaction, viewer: Viewer, portal_id: UUID | None) -> PortalRow:
    """A portal into which the viewer is about to put somebody or something, locked FOR SHARE: after users, before
    rooms. Whoever takes out of it waits for that. Whether the sign-in still stands is asked by the caller, after all
    locks.

    Raises:
        Refused: FORBIDDEN for a client; NOT_FOUND.
    """
    internal_only(viewer)
    portal = await portals.lock_portal.first(
        transaction.connection, workspace_id=viewer.workspace_id, portal_id=portal_id
    )
    if portal is None:
        raise NotFound("portal_id")
    return portal


async def admit_client(transaction: Transaction, portal_id: UUID, user_id: UUID) -> bool:
    """Make a client one of a portal's, which is there; whether they were not before. That the user is a client is the
    caller's to know."""
    added = await portals.insert_client.first(
        transaction.connection, workspace_id=transaction.workspace_id, portal_id=portal_id, user_id=user_id
    )
    return added is not None


async def _portal_to_change(transaction: Transaction, viewer: Viewer, portal_id: UUID | None) -> PortalRow:
    """A portal, as it stands once nobody else is changing it or putting anybody into it."""
    internal_only(viewer)
    portal = await portals.lock_portal_to_change.first(
        transaction.connection, workspace_id=viewer.workspace_id, portal_id=portal_id
    )
    await still_signed_in(transaction, viewer)
    if portal is None:
        raise NotFound("portal_id")
    return portal
