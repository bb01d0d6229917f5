"""Invitations: an account that waits for its person, and the link by which they take it."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from models import link as links
from models import mail as mails
from models import portal as portals
from models import user as users
from models.audit import Action, Actor
from models.event import EventKind
from models.link import LinkPurpose
from models.session import SessionMethod
from models.user import UserKind, UserRow, UserStatus
from resolvers import limit
from resolvers.door import still_signed_in
from resolvers.errors import Code, NotFound, Refused
from resolvers.link import end_links, send_link
from resolvers.operation import Transaction, operate
from resolvers.origin import Origin
from resolvers.password import hash_password, new_password
from resolvers.portal import admit_client, visible_portals
from resolvers.process import Process
from resolvers.session import SignedIn, UseLink, begin, by_link
from resolvers.text import Address, Name, address_key, email_address, folded, person_name
from resolvers.user import create_user
from resolvers.viewer import Viewer, internal_only


async def invite_teammate(process: Process, origin: Origin, viewer: Viewer, *, email: str, name: str) -> UUID:
    """Invite one of the firm's own people. Inviting an address again sends a new link, and ends the old one.

    Raises:
        Refused: FORBIDDEN for a client; RATE_LIMITED; what is wrong with the address or the name; ALREADY_EXISTS where
            the address has an account already, as a client or as an active colleague; NOT_ACTIVE for one that was
            deactivated.
        Unauthenticated: the sign-in has ended.
    """

    async def work(transaction: Transaction) -> UUID:
        return await invite(transaction, UserKind.INTERNAL, email=email, name=name, actor_id=viewer.user_id)

    return await _by_viewer(process, origin, viewer, email, work)


async def invite_client(
    process: Process, origin: Origin, viewer: Viewer, *, portal_id: UUID | None, email: str, name: str
) -> UUID:
    """Invite a client to a portal. Who is an active client already becomes a client of this portal too, at once and
    without a mail.

    Raises:
        Refused: as `invite_teammate`; NOT_FOUND for the portal.
    """

    async def work(transaction: Transaction) -> UUID:
        if portal_id is None or not await visible_portals(transaction.connection, viewer, [portal_id]):
            raise NotFound("portal_id")
        return await invite(
            transaction, UserKind.CLIENT, email=email, name=name, portal_id=portal_id, actor_id=viewer.user_id
        )

    return await _by_viewer(process, origin, viewer, email, work)


async def _by_viewer(
    process: Process, origin: Origin, viewer: Viewer, email: str, work: Callable[[Transaction], Awaitable[UUID]]
) -> UUID:
    """What fills other people's mailboxes is counted, in no transaction."""
    internal_only(viewer)

    async def by_viewer(transaction: Transaction) -> UUID:
        await still_signed_in(transaction, viewer)
        user_id = await work(transaction)
        # Again, behind the locks: nobody who was deactivated while they waited has invited somebody.
        await still_signed_in(transaction, viewer)
        return user_id

    async with limit.inviting(process.limiter, viewer.workspace_id, viewer.user_id, email):
        return await operate(process, viewer.workspace_id, by_viewer, origin)


async def invite(
    transaction: Transaction,
    kind: UserKind,
    *,
    email: str,
    name: str,
    portal_id: UUID | None = None,
    actor_id: UUID | None,
    by: Actor = Actor.USER,
) -> UUID:
    """Invite somebody, for whoever may. `portal_id`: a client's portal, which is there.

    Raises:
        Refused: as `invite_teammate`.
    """
    address, shown = email_address(email), person_name(name)
    invitee = await _account(transaction, kind, address, shown)
    is_active = invitee.status == UserStatus.ACTIVE
    if is_active and kind is UserKind.INTERNAL:
        raise Refused(Code.ALREADY_EXISTS, "This address has an account already.", "email")
    if portal_id is not None and await admit_client(transaction, portal_id, invitee.id):
        transaction.audit(Action.CLIENT_ADDED, actor_id=actor_id, by=by, user_id=invitee.id, portal_id=portal_id)
    if not is_active:
        await _send(transaction, invitee, shown, actor_id, by)
    return invitee.id


async def cancel_invitation(transaction: Transaction, viewer: Viewer, user_id: UUID | None) -> UUID:
    """Take an invitation back: its link is worth nothing, and the account, in which nobody has ever been, is gone. The
    address can be invited anew, also as somebody of the other kind.

    Raises:
        Refused: FORBIDDEN for a client; NOT_FOUND; ALREADY_EXISTS where the account has been in use.
        Unauthenticated: the sign-in has ended.
    """
    internal_only(viewer)
    where = {"workspace_id": viewer.workspace_id, "user_id": user_id}
    user = await users.lock_user.first(transaction.connection, **where)
    await still_signed_in(transaction, viewer)
    if user is None:
        raise NotFound("user_id")
    if user.status != UserStatus.INVITED:
        raise Refused(Code.ALREADY_EXISTS, "This invitation was accepted: the account can be deactivated.", "user_id")
    for statement in (
        mails.delete_mails_of_user,
        links.delete_links_of_user,
        portals.delete_memberships_of_user,
        users.delete_user,
    ):
        await statement.send(transaction.connection, **where)
    transaction.record(EventKind.USER_UPDATED, user_id=user.id)
    transaction.audit(Action.INVITATION_CANCELLED, actor_id=viewer.user_id, user_id=user.id)
    return user.id


async def accept_invitation(
    process: Process, origin: Origin, token: str, *, name: str | None, password: str | None
) -> SignedIn:
    """Take the account that one was invited to, and sign in. Without a name the inviter's stays; without a password one
    signs in by links.

    Raises:
        Refused: INVALID_CREDENTIALS for a token that is no invitation; EXPIRED for one that was used, replaced or
            cancelled, or whose time has run out; what is wrong with the name or the password.
    """

    async def prepare() -> UseLink:
        # The name first: nobody has a password hashed again and again by a name that is refused.
        shown = None if name is None else person_name(name)
        hashed = None if password is None else await hash_password(new_password(password, "password"))

        async def accept(transaction: Transaction, user: UserRow) -> SignedIn:
            if user.status != UserStatus.INVITED:
                raise Refused(Code.EXPIRED, "This invitation is not open any more.", "token")
            await become_active(transaction, user.id, hashed)
            if shown is not None and shown != user.name:
                await _rename(transaction, user.id, shown)
            transaction.audit(Action.INVITATION_ACCEPTED, actor_id=user.id, user_id=user.id)
            return await begin(transaction, user.id, SessionMethod.INVITATION)

        return accept

    return await by_link(process, origin, token, LinkPurpose.INVITATION, prepare)


async def become_active(transaction: Transaction, user_id: UUID, password_hash: str | None) -> None:
    """Make an INVITED account, whose row is locked, its person's own."""
    await users.accept.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        user_id=user_id,
        password_hash=password_hash,
    )
    await end_links(transaction, user_id)
    transaction.record(EventKind.USER_UPDATED, user_id=user_id)


async def _account(transaction: Transaction, kind: UserKind, address: Address, name: Name) -> UserRow:
    """The account of an address, locked; a new one, INVITED, where there is none.

    Raises:
        Refused: ALREADY_EXISTS for one of the other kind; NOT_ACTIVE for one that was deactivated.
    """
    await create_user(transaction, kind=kind, name=name, email=address, password_hash=None, status=UserStatus.INVITED)
    found = await users.lock_user_by_email.first(
        transaction.connection, workspace_id=transaction.workspace_id, email_key=address_key(address)
    )
    if found is None:
        # Another transaction cancelled its invitation just now.
        raise Refused(Code.ALREADY_EXISTS, "Somebody else is changing this account: try again.", "email")
    if found.kind != kind:
        raise Refused(Code.ALREADY_EXISTS, "This address has an account of the other kind.", "email")
    if found.status == UserStatus.DEACTIVATED:
        raise Refused(Code.NOT_ACTIVE, "This account was deactivated: activate it again.", "email")
    return found


async def _send(transaction: Transaction, invitee: UserRow, name: Name, actor_id: UUID | None, by: Actor) -> None:
    await end_links(transaction, invitee.id, LinkPurpose.INVITATION)
    if invitee.name != name:
        await _rename(transaction, invitee.id, name)
        transaction.record(EventKind.USER_UPDATED, user_id=invitee.id)
    await send_link(transaction, invitee.id, LinkPurpose.INVITATION, created_by=actor_id)
    transaction.audit(Action.USER_INVITED, actor_id=actor_id, by=by, user_id=invitee.id, kind=invitee.kind)


async def _rename(transaction: Transaction, user_id: UUID, name: Name) -> None:
    await users.set_name.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        user_id=user_id,
        name=name,
        name_key=folded(name),
    )
