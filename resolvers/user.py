"""People: who may see whom, and what one sets for oneself."""

from collections.abc import Sequence
from uuid import UUID

from models import user as users
from models.audit import Action, Actor
from models.connection import Connection
from models.event import EventKind
from models.ids import new_id
from models.person import known_authors
from models.user import UserKind, UserRow, UserStatus
from resolvers.door import still_signed_in
from resolvers.errors import Code, Malformed, Refused
from resolvers.operation import Transaction
from resolvers.text import address_key, email_address, folded, known_time_zone, person_name, search_key
from resolvers.viewer import Viewer


async def visible_users(connection: Connection, viewer: Viewer, ids: Sequence[UUID]) -> list[UserRow]:
    """Those of the named users whom the viewer may know of.

    The firm's own people know everybody of the workspace. A client knows themself and the authors of messages that
    they can read now, deleted ones included, and nobody else.
    """
    if viewer.is_internal:
        return await users.users_by_id.all(connection, workspace_id=viewer.workspace_id, ids=list(ids))
    return await known_authors.all(
        connection, workspace_id=viewer.workspace_id, viewer_id=viewer.user_id, ids=list(ids)
    )


async def authors(connection: Connection, viewer: Viewer, ids: Sequence[UUID]) -> list[UserRow]:
    """Users whom the viewer has met already, in a row that they may read."""
    return await users.users_by_id.all(connection, workspace_id=viewer.workspace_id, ids=list(ids))


async def user_with_address(connection: Connection, workspace_id: UUID, slug: str, email: str) -> UUID | None:
    """Who has an address in a workspace. For the command line: it asks for no viewer."""
    key = address_key(email)
    if key is None:
        return None
    accounts = await users.accounts_by_email.all(connection, email_key=key, workspace=slug)
    return next((account.id for account in accounts if account.workspace_id == workspace_id), None)


async def status_of(connection: Connection, workspace_id: UUID, user_id: UUID) -> str | None:
    """Where an account stands; None where there is none. For the command line: it asks for no viewer."""
    found = await users.users_by_id.all(connection, workspace_id=workspace_id, ids=[user_id])
    return found[0].status if found else None


async def users_page(
    connection: Connection,
    viewer: Viewer,
    *,
    query: str | None,
    kind: UserKind | None,
    status: UserStatus | None,
    after: UUID | None,
    limit: int,
) -> list[UserRow]:
    """Users of the workspace by name, `limit` at most. For internal viewers only: the field's mark says so.

    Raises:
        Malformed: the query is no text; `after` is nobody of the workspace.
    """
    filters = _filters(query, kind, status)
    statement = users.users_page(
        query="query" in filters, kind=kind is not None, status=status is not None, after=after is not None
    )
    page = await statement.all(connection, workspace_id=viewer.workspace_id, after=after, limit=limit, **filters)
    if after is not None and not page and not await authors(connection, viewer, [after]):
        raise Malformed("That is not a cursor of this list.")
    return page


async def users_count(
    connection: Connection,
    viewer: Viewer,
    *,
    query: str | None,
    kind: UserKind | None,
    status: UserStatus | None,
) -> int:
    filters = _filters(query, kind, status)
    statement = users.users_count(query="query" in filters, kind=kind is not None, status=status is not None)
    return await statement.one(connection, workspace_id=viewer.workspace_id, **filters)


async def set_email_notifications(transaction: Transaction, viewer: Viewer, enabled: bool) -> None:
    """
    Raises:
        Unauthenticated: the sign-in has ended.
    """
    await still_signed_in(transaction, viewer)
    changed = await users.set_email_notifications.first(
        transaction.connection,
        workspace_id=viewer.workspace_id,
        user_id=viewer.user_id,
        enabled=enabled,
    )
    if changed:
        transaction.record(EventKind.USER_UPDATED, user_id=viewer.user_id)


async def update_profile(
    transaction: Transaction, viewer: Viewer, *, name: str | None, time_zone: str | None, keeps_time_zone: bool
) -> UserRow:
    """Change what the viewer is called, and in which time zone they are told times. `name` None keeps it.

    Raises:
        Refused: what is wrong with the name; INVALID at `time_zone`.
        Unauthenticated: the sign-in has ended.
    """
    where = {"workspace_id": viewer.workspace_id, "user_id": viewer.user_id}
    user = await users.lock_user.first(transaction.connection, **where)
    await still_signed_in(transaction, viewer)
    assert user is not None, "who is signed in is there"
    changed = user
    if name is not None:
        shown = person_name(name)
        changed = changed._replace(name=shown, name_key=folded(shown))
    if not keeps_time_zone:
        changed = changed._replace(time_zone=None if time_zone is None else known_time_zone(time_zone))
    if changed.name != user.name:
        await users.set_name.send(transaction.connection, **where, name=changed.name, name_key=changed.name_key)
    if changed.time_zone != user.time_zone:
        await users.set_time_zone.send(transaction.connection, **where, time_zone=changed.time_zone)
    if changed != user:
        transaction.record(EventKind.USER_UPDATED, user_id=viewer.user_id)
        transaction.audit(
            Action.USER_UPDATED,
            actor_id=viewer.user_id,
            user_id=viewer.user_id,
            name=changed.name != user.name,
            time_zone=changed.time_zone != user.time_zone,
        )
    return changed


async def create_account(
    transaction: Transaction, *, kind: UserKind, name: str, email: str, password_hash: str | None
) -> UUID:
    """Make an ACTIVE account without an invitation. For the command line.

    Raises:
        Refused: what is wrong with the name or the address; ALREADY_EXISTS at `email`.
    """
    made = await create_user(
        transaction, kind=kind, name=person_name(name), email=email_address(email), password_hash=password_hash
    )
    if made is None:
        raise Refused(Code.ALREADY_EXISTS, "This address has an account already.", "email")
    transaction.audit(Action.USER_CREATED, actor_id=None, by=Actor.OPERATOR, user_id=made, kind=kind.value)
    return made


async def create_user(
    transaction: Transaction,
    *,
    kind: UserKind,
    name: str,
    email: str,
    password_hash: str | None,
    avatar_url: str | None = None,
    status: UserStatus = UserStatus.ACTIVE,
) -> UUID | None:
    """Put an account into the workspace; None where the address has one already."""
    key = address_key(email)
    assert key is not None, "whoever makes accounts checks addresses"
    user_id = await users.insert_user.first(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        id=new_id(),
        kind=kind.value,
        status=status.value,
        name=name,
        name_key=folded(name),
        email=email,
        email_key=key,
        password_hash=password_hash,
        avatar_url=avatar_url,
    )
    if user_id is not None:
        transaction.record(EventKind.USER_CREATED, user_id=user_id)
    return user_id


def _filters(query: str | None, kind: UserKind | None, status: UserStatus | None) -> dict[str, str]:
    wanted = {
        "query": search_key(query) if query is not None else "",
        "kind": kind.value if kind else "",
        "status": status.value if status else "",
    }
    return {name: value for name, value in wanted.items() if value}
