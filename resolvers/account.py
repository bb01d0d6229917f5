"""Accounts: ending one, and reviving it.

What somebody wrote stays, and so does their place in rooms: who manages a room is computed from who is ACTIVE.
"""

from uuid import UUID

from models import account as accounts
from models import user as users
from models.account import Account
from models.audit import Action, Actor
from models.event import EventKind
from models.user import UserKind, UserStatus
from resolvers.door import still_signed_in
from resolvers.errors import Code, NotFound, Refused
from resolvers.link import end_links
from resolvers.operation import Transaction
from resolvers.session import end_all
from resolvers.viewer import Viewer, internal_only

# So many rooms are told at once that they have another manager; the sweep finds the rest.
HINTS = 20


async def deactivate_user(transaction: Transaction, viewer: Viewer | None, user_id: UUID | None) -> UUID:
    """End an account: its sign-ins and links are worth nothing from the commit on. Asked twice, done once. One may do
    it to oneself.

    `viewer` None: the command line asks.

    Raises:
        Refused: FORBIDDEN for a client, and for the last of the firm's own people; NOT_FOUND.
        Unauthenticated: the sign-in has ended.
    """
    account = await _locked_account(transaction, viewer, user_id)
    if account.status == UserStatus.DEACTIVATED:
        return account.id
    if _counts(account) and not account.others:
        raise Refused(Code.FORBIDDEN, "The last active person of the firm can't be deactivated.", "user_id")
    if _counts(account):
        # Before, as those rooms are found by who manages them.
        await _tell_who_manages(transaction, account)
    await _set_status(transaction, viewer, account, UserStatus.DEACTIVATED, Action.USER_DEACTIVATED)
    await end_links(transaction, account.id)
    ended = await end_all(transaction, account.id)
    if ended:
        actor_id, by = _by(viewer)
        transaction.audit(Action.SIGN_IN_ENDED, actor_id=actor_id, by=by, user_id=account.id, count=ended)
    return account.id


async def activate_user(transaction: Transaction, viewer: Viewer | None, user_id: UUID | None) -> UUID:
    """Revive an account, without its sign-ins; mail begins anew. Who had not accepted their invitation is INVITED
    again, by no link: inviting them once more sends one. Asked twice, done once.

    `viewer` None: the command line asks.

    Raises:
        Refused: FORBIDDEN for a client; NOT_FOUND; NOT_ACTIVE for who is only invited.
        Unauthenticated: the sign-in has ended.
    """
    account = await _locked_account(transaction, viewer, user_id)
    if account.status == UserStatus.INVITED:
        raise Refused(
            Code.NOT_ACTIVE, "The invitation has not been accepted yet, which only they themselves can do.", "user_id"
        )
    if account.status == UserStatus.ACTIVE:
        return account.id
    status = UserStatus.ACTIVE if account.accepted else UserStatus.INVITED
    await _set_status(transaction, viewer, account, status, Action.USER_ACTIVATED)
    if status == UserStatus.ACTIVE and account.kind == UserKind.INTERNAL:
        await _tell_who_manages(transaction, account)
    return account.id


async def _locked_account(transaction: Transaction, viewer: Viewer | None, user_id: UUID | None) -> Account:
    if viewer is not None:
        internal_only(viewer)
    this = {"workspace_id": transaction.workspace_id, "user_id": user_id}
    await accounts.lock_workspace_of_internal.send(transaction.connection, **this)
    await users.lock_user.send(transaction.connection, **this)
    if viewer is not None:
        await still_signed_in(transaction, viewer)
    # Asked for behind the locks, so with a snapshot that sees what they waited for.
    account = await accounts.account.first(transaction.connection, **this)
    if account is None:
        raise NotFound("user_id")
    return account


def _counts(account: Account) -> bool:
    """Whether it is one of those of whom a firm must keep one, and who manage rooms."""
    return account.kind == UserKind.INTERNAL and account.status == UserStatus.ACTIVE


async def _set_status(
    transaction: Transaction, viewer: Viewer | None, account: Account, status: UserStatus, action: Action
) -> None:
    await accounts.set_status.send(
        transaction.connection, workspace_id=transaction.workspace_id, user_id=account.id, status=status.value
    )
    transaction.record(EventKind.USER_UPDATED, user_id=account.id)
    actor_id, by = _by(viewer)
    transaction.audit(action, actor_id=actor_id, by=by, user_id=account.id, before=account.status, after=status.value)


async def _tell_who_manages(transaction: Transaction, account: Account) -> None:
    """Owe each room that the user manages a word that it has, or had, another manager. The rule itself holds at
    once."""
    few = await accounts.owe_telling_who_manages.all(
        transaction.connection, workspace_id=transaction.workspace_id, user_id=account.id, limit=HINTS
    )
    for work_id in few:
        transaction.queue("work.do", str(transaction.workspace_id), str(work_id))


def _by(viewer: Viewer | None) -> tuple[UUID | None, Actor]:
    return (None, Actor.OPERATOR) if viewer is None else (viewer.user_id, Actor.USER)
