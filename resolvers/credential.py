"""Choosing another password: with the one that one has, or by a link that was mailed."""

from uuid import UUID

from models import user as users
from models.audit import Action, Actor
from models.event import EventKind
from models.link import LinkPurpose
from models.session import SessionMethod
from models.user import UserRow, UserStatus
from resolvers import limit
from resolvers.door import signed_in_still, still_signed_in
from resolvers.errors import Code, NotFound, Refused
from resolvers.link import end_links
from resolvers.operation import Transaction, operate
from resolvers.origin import Origin
from resolvers.password import hash_password, new_password, verify_password
from resolvers.process import Process
from resolvers.session import SignedIn, UseLink, begin, by_link, end_all
from resolvers.viewer import Viewer


async def change_password(process: Process, origin: Origin, viewer: Viewer, *, current: str, new: str) -> None:
    """Change one's own password. Every other sign-in of the account ends; this one goes on.

    Raises:
        Refused: INVALID_CREDENTIALS at `current_password`, also where there is none yet (a link sets the first); what
            is wrong with the new one; RATE_LIMITED.
        Unauthenticated: the sign-in has ended.
    """
    where = {"workspace_id": viewer.workspace_id, "user_id": viewer.user_id}
    async with process.pool.connection() as connection:
        await signed_in_still(connection, viewer)
        kept = await users.password_hash_of.first(connection, **where)
    chosen = new_password(new, "new_password")
    # Both take long, on purpose: no transaction waits for them.
    async with limit.trying_current_password(process.limiter, viewer.user_id):
        if not await verify_password(current, kept):
            raise _not_the_password()
    hashed = await hash_password(chosen)

    async def change(transaction: Transaction) -> None:
        await users.lock_user.send(transaction.connection, **where)
        await still_signed_in(transaction, viewer)
        if await users.password_hash_of.first(transaction.connection, **where) != kept:
            # Changed meanwhile, from somewhere else: this is not the password any more.
            raise _not_the_password()
        await _set(transaction, viewer.user_id, hashed, but=viewer.session_id)

    await operate(process, viewer.workspace_id, change, origin)


async def reset_password(process: Process, origin: Origin, token: str, password: str) -> SignedIn:
    """Set a password by the link of a mail, and sign in. Every earlier sign-in of the account ends.

    Raises:
        Refused: INVALID_CREDENTIALS; EXPIRED for a link that was used, or whose time has run out; what is wrong with
            the password.
    """

    async def prepare() -> UseLink:
        hashed = await hash_password(new_password(password, "password"))

        async def reset(transaction: Transaction, user: UserRow) -> SignedIn:
            if user.status != UserStatus.ACTIVE:
                raise Refused(Code.EXPIRED, "This link is not good any more.", "token")
            await _set(transaction, user.id, hashed)
            return await begin(transaction, user.id, SessionMethod.RESET)

        return reset

    return await by_link(process, origin, token, LinkPurpose.RESET, prepare)


async def set_password(transaction: Transaction, user_id: UUID, hashed: str) -> None:
    """Set somebody's password, and end their sign-ins. For the command line.

    Raises:
        NotFound: nobody of the workspace.
    """
    user = await users.lock_user.first(transaction.connection, workspace_id=transaction.workspace_id, user_id=user_id)
    if user is None:
        raise NotFound("user_id")
    await _set(transaction, user_id, hashed, by=Actor.OPERATOR)


async def _set(
    transaction: Transaction, user_id: UUID, hashed: str, *, but: UUID | None = None, by: Actor = Actor.USER
) -> None:
    """Whoever knew the old password, or holds a link that was sent before, is out."""
    await users.set_password.send(
        transaction.connection, workspace_id=transaction.workspace_id, user_id=user_id, password_hash=hashed
    )
    await end_links(transaction, user_id)
    ended = await end_all(transaction, user_id, but=but)
    transaction.record(EventKind.USER_UPDATED, user_id=user_id)
    actor_id = user_id if by is Actor.USER else None
    transaction.audit(Action.PASSWORD_CHANGED, actor_id=actor_id, by=by, user_id=user_id, ended=ended)


def _not_the_password() -> Refused:
    return Refused(Code.INVALID_CREDENTIALS, "This is not the password.", "current_password")
