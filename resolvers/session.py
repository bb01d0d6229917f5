"""Sign-ins: credentials in, Viewer out."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from models import session as sessions
from models import user as users
from models.audit import Action, Actor
from models.connection import Connection
from models.event import EventKind
from models.ids import new_id
from models.link import LinkPurpose
from models.session import SessionMethod, SignInRow
from models.user import Account, UserKind, UserRow, UserStatus
from resolvers import limit
from resolvers import link as links
from resolvers.door import still_signed_in
from resolvers.errors import Code, NotFound, Refused, SignInEnded, Unauthenticated
from resolvers.operation import Transaction, operate
from resolvers.origin import Origin
from resolvers.password import verify_password
from resolvers.process import Process
from resolvers.text import NAME_LIMIT, address_key, is_text
from resolvers.tokens import (
    Named,
    RefreshToken,
    access_token,
    new_refresh_token,
    read_access_token,
    read_refresh_token,
)
from resolvers.viewer import Viewer

# In seconds: how long a client that lost the answer may refresh again with the same token.
GRACE = 10

# How many sign-ins a user is shown at the most.
LISTED = 100

# A refused sign-in is answered at a multiple of this, in seconds.
BEAT = 0.25


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in with its new tokens."""

    viewer: Viewer
    user: UserRow
    access_token: str
    expires_at: datetime
    refresh_token: str


Read = Callable[[Callable[[Connection], Awaitable[UserRow | None]]], Awaitable[UserRow | None]]


def identify(process: Process, token: str) -> Named:
    """The sign-in that an access token names. Whether it is alive is the database's to say.

    Raises:
        Unauthenticated: the token is forged or expired.
    """
    named = read_access_token(process.token_key, token)
    if named is None:
        raise Unauthenticated("The access token is not valid, or has expired.")
    return named


async def authenticate(read: Read, named: Named) -> tuple[Viewer, UserRow]:
    """The viewer whose sign-in this is.

    Raises:
        Unauthenticated: the sign-in has ended, or its user is not ACTIVE.
    """
    user = await read(
        lambda connection: sessions.signed_in_user.first(
            connection, workspace_id=named.workspace_id, session_id=named.session_id, user_id=named.user_id
        )
    )
    if user is None:
        raise SignInEnded
    return Viewer(named.workspace_id, user.id, named.session_id, UserKind(user.kind)), user


async def sign_in(process: Process, origin: Origin, email: str, password: str, workspace: str | None) -> SignedIn:
    """Sign in with address and password.

    Without a workspace exactly one account must match both. Whatever is wrong, the answer is the same, and comes at
    the next beat of a clock that is slower than verifying a few passwords: its time tells neither whether an address
    is known nor in how many firms.

    Raises:
        Refused: INVALID_CREDENTIALS, or RATE_LIMITED before anything is looked up.
    """
    async with limit.trying_password(process.limiter, process.in_flight, origin, email):
        return await _sign_in(process, origin, email, password, workspace)


async def _sign_in(process: Process, origin: Origin, email: str, password: str, workspace: str | None) -> SignedIn:
    began = time.monotonic()
    candidates = await _candidates(process, email, workspace)
    matching = [account for account in candidates if await verify_password(password, account.password_hash)]
    if not candidates:
        await verify_password(password, None)
    if len(matching) != 1:
        for account in candidates:
            await operate(process, account.workspace_id, partial(_refused, user_id=account.id), origin)
        await asyncio.sleep(BEAT - (time.monotonic() - began) % BEAT)
        raise _wrong_credentials()
    account = matching[0]

    async def enter(transaction: Transaction) -> SignedIn:
        signed_in = await begin(transaction, account.id)
        if (
            await users.password_hash_of.first(
                transaction.connection, workspace_id=account.workspace_id, user_id=account.id
            )
            != account.password_hash
        ):
            # Changed while it was verified. The user is locked by now: whoever changes it later ends this sign-in.
            raise _wrong_credentials()
        return signed_in

    return await operate(process, account.workspace_id, enter, origin)


async def sign_in_with_token(process: Process, origin: Origin, token: str) -> SignedIn:
    """Sign in by the link of a mail, which is good once.

    Raises:
        Refused: INVALID_CREDENTIALS; EXPIRED for a link that was used, replaced, or whose time has run out;
            RATE_LIMITED.
    """

    async def use(transaction: Transaction, user: UserRow) -> SignedIn:
        return await begin(transaction, user.id, SessionMethod.LINK)

    async def prepare() -> UseLink:
        return use

    return await by_link(process, origin, token, LinkPurpose.SIGN_IN, prepare)


# What a link is good for, done with its user locked and the link spent.
UseLink = Callable[[Transaction, UserRow], Awaitable[SignedIn]]


async def by_link(
    process: Process, origin: Origin, token: str, purpose: LinkPurpose, prepare: Callable[[], Awaitable[UseLink]]
) -> SignedIn:
    """Sign in by whatever a link is good for. `prepare`: what takes long and holds no locks, as hashing a password;
    nobody has it done who has no good link.

    Raises:
        Refused: RATE_LIMITED, before anything is looked up; INVALID_CREDENTIALS or EXPIRED; whatever the others raise.
    """
    async with limit.bearing_token(process.limiter, origin):
        workspace_id, link_id = links.read(process, token)
        await links.look(process, workspace_id, link_id, purpose)
        use = await prepare()

        async def spend(transaction: Transaction) -> SignedIn:
            return await use(transaction, await links.spend(transaction, link_id, purpose))

        signed_in = await operate(process, workspace_id, spend, origin)
    await limit.know_place(process.limiter, origin, signed_in.user.email)
    return signed_in


async def refresh(process: Process, origin: Origin, given: str) -> SignedIn:
    """Exchange a refresh token for new tokens. It is good once; the sign-in lives on from now.

    Within `GRACE` seconds the token just before the latest is answered with the latest one again: a client that lost
    the answer asks again, and two of its tabs may ask at once. Any other token of the sign-in that was good once is in
    two hands, of which one has stolen it: the sign-in ends (RFC 9700, section 4.14.2).

    Raises:
        Refused: INVALID_CREDENTIALS, EXPIRED when the sign-in's time has run out, or RATE_LIMITED.
    """
    async with limit.bearing_token(process.limiter, origin):
        token = read_refresh_token(given)
        if token is None:
            raise _not_a_sign_in()
        renewed = await operate(process, token.workspace_id, lambda transaction: _renew(transaction, token), origin)
        if renewed is None:
            raise Refused(
                Code.INVALID_CREDENTIALS,
                "This refresh token was used before, so the sign-in has been ended. Sign in again.",
                "refresh_token",
            )
        return renewed


async def sign_out(transaction: Transaction, viewer: Viewer) -> None:
    """End the viewer's own sign-in: its tokens are worth nothing from the commit on. Asked twice, done once."""
    if await end(transaction, viewer.session_id):
        transaction.audit(
            Action.SIGNED_OUT, actor_id=viewer.user_id, user_id=viewer.user_id, session_id=viewer.session_id
        )


async def sign_ins(connection: Connection, viewer: Viewer) -> list[SignInRow]:
    """The viewer's own sign-ins, latest used first."""
    return await sessions.sign_ins.all(
        connection, workspace_id=viewer.workspace_id, viewer_id=viewer.user_id, limit=LISTED
    )


async def end_sign_in(transaction: Transaction, viewer: Viewer, session_id: UUID | None) -> UUID:
    """End one of the viewer's own sign-ins.

    Raises:
        NotFound: it is not theirs, or not alive.
        Unauthenticated: the viewer's own has ended.
    """
    await users.lock_user.send(transaction.connection, workspace_id=viewer.workspace_id, user_id=viewer.user_id)
    await still_signed_in(transaction, viewer)
    theirs = await sessions.session_user.first(
        transaction.connection, workspace_id=viewer.workspace_id, session_id=session_id
    )
    if session_id is None or theirs != viewer.user_id or not await end(transaction, session_id):
        raise NotFound("sign_in_id")
    transaction.audit(Action.SIGN_IN_ENDED, actor_id=viewer.user_id, user_id=viewer.user_id, session_id=session_id)
    return session_id


async def end(transaction: Transaction, session_id: UUID) -> bool:
    """End a sign-in, whosever it is; whether there was anything to end. One whose token somebody else made stays as a
    row, to bar the token."""
    where = {"workspace_id": transaction.workspace_id, "session_id": session_id}
    user_id = await sessions.end_session.first(transaction.connection, **where)
    if user_id is None:
        user_id = await sessions.bar_session.first(transaction.connection, **where)
    if user_id is not None:
        transaction.record(EventKind.SESSION_ENDED, user_id=user_id, session_id=session_id)
    return user_id is not None


async def end_all(transaction: Transaction, user_id: UUID, but: UUID | None = None) -> int:
    """End every sign-in of a user, whose row is locked so that none comes meanwhile; `but`: except this one. The number
    of them."""
    ended = await sessions.end_all_sessions.all(
        transaction.connection, workspace_id=transaction.workspace_id, user_id=user_id, but=but
    )
    for session_id in ended:
        transaction.record(EventKind.SESSION_ENDED, user_id=user_id, session_id=session_id)
    return len(ended)


# How many sign-ins one transaction ends at the most.
SWEEP_LIMIT = 1000


async def sweep_expired(process: Process) -> int:
    """End every sign-in whose time has run out; the number of them. One workspace and one batch per transaction."""
    async with process.pool.connection() as connection:
        workspaces = await sessions.workspaces_with_expired_sessions.all(connection)
    ended = 0
    for workspace_id in workspaces:
        while batch := await operate(process, workspace_id, _end_expired):
            ended += batch
            if batch < SWEEP_LIMIT:
                break
    return ended


async def _end_expired(transaction: Transaction) -> int:
    expired = await sessions.end_expired_sessions.all(
        transaction.connection, workspace_id=transaction.workspace_id, limit=SWEEP_LIMIT
    )
    for session_id, user_id, was_alive in expired:
        if was_alive:
            transaction.record(EventKind.SESSION_ENDED, user_id=user_id, session_id=session_id)
    return len(expired)


async def _candidates(process: Process, email: str, workspace: str | None) -> list[Account]:
    key = address_key(email)
    named = None if workspace is None else workspace.strip()
    if key is None or (named is not None and (len(named) > NAME_LIMIT or not is_text(named))):
        return []
    async with process.pool.connection() as connection:
        accounts = await users.accounts_by_email.all(connection, email_key=key, workspace=named)
    return [account for account in accounts if account.status == UserStatus.ACTIVE]


async def _refused(transaction: Transaction, user_id: UUID) -> None:
    transaction.audit(Action.SIGN_IN_REFUSED, actor_id=None, by=Actor.STRANGER, user_id=user_id)


async def begin(transaction: Transaction, user_id: UUID, method: SessionMethod = SessionMethod.PASSWORD) -> SignedIn:
    """Sign in somebody who has shown by whatever means who they are.

    Raises:
        Refused: INVALID_CREDENTIALS, when the account is not ACTIVE any more.
    """
    connection = transaction.connection
    user = await sessions.lock_active_user.first(connection, workspace_id=transaction.workspace_id, user_id=user_id)
    if user is None:
        raise _wrong_credentials()
    token = new_refresh_token(transaction.workspace_id, new_id())
    await sessions.insert_session.send(
        connection,
        workspace_id=transaction.workspace_id,
        id=token.session_id,
        user_id=user_id,
        method=method.value,
        family_hash=token.family_hash,
        refresh_hash=token.hash,
        seconds=transaction.process.refresh_token_seconds,
        address=transaction.origin.address,
        user_agent=transaction.origin.user_agent,
    )
    transaction.audit(
        Action.SIGNED_IN, actor_id=user_id, user_id=user_id, session_id=token.session_id, method=method.value
    )
    return _signed_in(transaction, user, token)


async def _renew(transaction: Transaction, token: RefreshToken) -> SignedIn | None:
    """None for a token that was good once, which ends the sign-in."""
    connection = transaction.connection
    where = {"workspace_id": transaction.workspace_id, "session_id": token.session_id}
    user_id = await sessions.session_user.first(connection, **where)
    if user_id is None:
        raise _not_a_sign_in()
    # The user before the session, as everywhere: locks are taken in one order.
    user = await sessions.lock_active_user.first(connection, workspace_id=transaction.workspace_id, user_id=user_id)
    session = await sessions.lock_session.first(connection, **where, grace=GRACE)
    if user is None or session is None or not token.is_of_family(session.family_hash):
        raise _not_a_sign_in()
    if not session.alive:
        raise Refused(Code.EXPIRED, "This sign-in has expired. Sign in again.", "refresh_token")
    if token.matches(session.refresh_hash):
        return await _rotate(transaction, user, token)
    if token.matches(session.former_hash) and session.just_refreshed:
        assert session.successor is not None, "a former token always has a successor"
        return _signed_in(transaction, user, token.open(session.successor))
    await end(transaction, token.session_id)
    transaction.audit(
        Action.REFRESH_TOKEN_REPLAYED,
        actor_id=None,
        by=Actor.STRANGER,
        user_id=user.id,
        session_id=token.session_id,
    )
    return None


async def _rotate(transaction: Transaction, user: UserRow, token: RefreshToken) -> SignedIn:
    renewed = token.next()
    await sessions.rotate_session.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        session_id=token.session_id,
        refresh_hash=renewed.hash,
        successor=token.seal(renewed),
        seconds=transaction.process.refresh_token_seconds,
    )
    return _signed_in(transaction, user, renewed)


def _signed_in(transaction: Transaction, user: UserRow, token: RefreshToken) -> SignedIn:
    process = transaction.process
    viewer = Viewer(transaction.workspace_id, user.id, token.session_id, UserKind(user.kind))
    signed, expires_at = access_token(
        process.token_key,
        Named(viewer.workspace_id, viewer.session_id, viewer.user_id),
        process.access_token_seconds,
    )
    return SignedIn(viewer, user, signed, expires_at, str(token))


def _wrong_credentials() -> Refused:
    return Refused(Code.INVALID_CREDENTIALS, "The address or the password is not right.")


def _not_a_sign_in() -> Refused:
    return Refused(Code.INVALID_CREDENTIALS, "This refresh token is not valid.", "refresh_token")
