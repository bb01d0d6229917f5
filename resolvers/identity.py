"""People who come with a token of their firm's own issuer.

The token is verified by the issuer's keys, and names a sign-in by itself: the first time it is shown, the sign-in
becomes a row like any other, of the one workspace that the issuer belongs to, whatever else the token says. From then
on it lives and ends as all sign-ins do.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.errors import DeadlockDetected, UniqueViolation

from models import identity as identities
from models import issuer as issuers
from models import session as sessions
from models import user as users
from models.audit import Action, Actor
from models.event import EventKind
from models.identity import Identified
from models.issuer import IssuerRow
from models.user import UserStatus
from resolvers.errors import Unauthenticated
from resolvers.invitation import become_active
from resolvers.issuer_key import Key
from resolvers.issuer_memory import Seen
from resolvers.issuer_token import Person, invalid, person, sign_in_of, unverified, verified
from resolvers.link import end_links
from resolvers.operation import Transaction, operate
from resolvers.origin import UNKNOWN, Origin
from resolvers.process import Process
from resolvers.text import folded, same_mailbox
from resolvers.tokens import OWN_ISSUER, Named
from resolvers.user import create_user

# How often somebody is looked up anew who was made by another request meanwhile. Once does, unless they go on.
_ATTEMPTS = 5

_TAKEN = (
    "The address of this token belongs to another account of the workspace, and the token does not say that it is "
    "verified."
)
_ALIKE = "Another account of the workspace has an address that counts as the same, and is another mailbox."
_UNPROVEN = (
    "The address of this token belongs to another account of the workspace, which was made by a token that did not say "
    "that it is verified."
)
_DEACTIVATED = "The account of this token is deactivated."
_FROM_BEFORE = "This token is from before the account was activated again: get a new one."


@dataclass(frozen=True, slots=True)
class Claim:
    """A token that passes for an issuer's. Called, it gives the sign-in, or raises Unauthenticated."""

    process: Process
    token: str

    async def __call__(self, origin: Origin) -> Named:
        return await recognise(self.process, self.token, origin)


def claim(process: Process, token: str) -> Claim | None:
    """None for a token that no issuer but our own could have made."""
    what = unverified(token)
    return None if what is None or what.issuer == OWN_ISSUER else Claim(process, token)


async def recognise(process: Process, token: str, origin: Origin = UNKNOWN) -> Named:
    """The sign-in that a token of an issuer names. Whether it is alive is the database's to say.

    Raises:
        Unauthenticated: it is no good token of any issuer known here, or its person can't be let in.
        KeysUnavailable: the issuer can't be asked for its keys.
    """
    memory = process.issuers.memory
    digest = hashlib.sha256(token.encode()).digest()
    seen = memory.seen(digest)
    if seen is not None and await _still_holds(process, seen):
        return seen.named
    if (why := memory.refused(digest)) is not None:
        raise Unauthenticated(why)
    issuer, key, claims = await _verified(process, token)
    whom = person(claims, process.issuers.claims)
    named = await _signed_in(process, issuer, whom, token, claims, origin)
    if isinstance(named, str):
        memory.refuse(digest, named)
        raise Unauthenticated(named)
    memory.see(digest, Seen(named, issuer, key, claims["exp"] + process.issuers.clock_skew_seconds))
    return named


async def _still_holds(process: Process, seen: Seen) -> bool:
    issuer = await _issuer(process, seen.issuer.issuer)
    return issuer == seen.issuer and seen.key in await process.issuers.keys.keys(issuer, lambda keys: seen.key in keys)


async def _verified(process: Process, token: str) -> tuple[IssuerRow, Key, dict[str, Any]]:
    what = unverified(token)
    issuer = None if what is None else await _issuer(process, what.issuer)
    if what is None or issuer is None:
        raise invalid()

    def suit(keys: Sequence[Key]) -> bool:
        return bool(what.fitting(keys))

    keys = what.fitting(await process.issuers.keys.keys(issuer, suit))
    return issuer, *verified(token, what.algorithm, keys, issuer, process.issuers.clock_skew_seconds)


async def _issuer(process: Process, name: str) -> IssuerRow | None:
    async def load() -> list[IssuerRow]:
        async with process.pool.connection() as connection:
            return await issuers.all_issuers.all(connection)

    return await process.issuers.memory.issuer(name, load)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A token, as it is shown for the first time."""

    session_id: UUID
    issued: float | None
    last: float


class _Overtaken(Exception):
    """Another request was quicker: what it made is there by now."""


async def _signed_in(
    process: Process, issuer: IssuerRow, whom: Person, token: str, claims: dict[str, Any], origin: Origin
) -> Named | str:
    """The sign-in of a token that holds, begun if this is the first time; a text, why its person is not let in."""
    session_id = sign_in_of(token)
    async with process.pool.connection() as connection:
        user_id = await sessions.session_user.first(connection, workspace_id=issuer.workspace_id, session_id=session_id)
    if user_id is None:
        shown = _Shown(session_id, claims.get("iat"), claims["exp"] + process.issuers.clock_skew_seconds)
        begun = await _begun(process, issuer, whom, shown, origin)
        if isinstance(begun, str):
            return begun
        user_id = begun
    return Named(issuer.workspace_id, session_id, user_id, float(claims["exp"]))


async def _begun(process: Process, issuer: IssuerRow, whom: Person, shown: _Shown, origin: Origin) -> UUID | str:
    attempt = 1
    while True:
        try:
            return await operate(
                process, issuer.workspace_id, lambda transaction: _begin(transaction, issuer, whom, shown), origin
            )
        except (_Overtaken, UniqueViolation, DeadlockDetected):
            if attempt == _ATTEMPTS:
                raise
            attempt += 1


async def _begin(transaction: Transaction, issuer: IssuerRow, whom: Person, shown: _Shown) -> UUID | str:
    """A refusal is given and not raised, so that it is in the audit log.

    Raises:
        Unauthenticated: the issuer is not any more what it was when the token was verified.
    """
    where = {"workspace_id": issuer.workspace_id, "issuer_id": issuer.id}
    if await issuers.lock_issuer.first(transaction.connection, **where) != issuer:
        # Removed or changed since it was read.
        transaction.process.issuers.memory.forget_issuers()
        raise invalid()
    user = await identities.lock_identified_user.first(transaction.connection, **where, subject=whom.subject)
    found = user or await _met(transaction, issuer, whom)
    known, refusal = (None, found) if isinstance(found, str) else (found.id, _refusal(found, shown))
    if refusal is not None:
        transaction.audit(Action.SIGN_IN_REFUSED, actor_id=None, by=Actor.ISSUER, user_id=known, issuer=str(issuer.id))
        return refusal
    assert not isinstance(found, str)
    await _follow(transaction, issuer, found, whom)
    begun = await identities.insert_issuer_session.first(
        transaction.connection,
        workspace_id=issuer.workspace_id,
        id=shown.session_id,
        user_id=found.id,
        last=shown.last,
        address=transaction.origin.address,
        user_agent=transaction.origin.user_agent,
    )
    if begun is not None:
        transaction.audit(
            Action.SIGNED_IN,
            actor_id=found.id,
            by=Actor.ISSUER,
            user_id=found.id,
            session_id=shown.session_id,
            issuer=str(issuer.id),
        )
    return found.id


async def _met(transaction: Transaction, issuer: IssuerRow, whom: Person) -> Identified | str:
    """Somebody of whom the issuer has not spoken before: an account that has the address, or a new one. A refusal where
    the address is somebody's, and the token doesn't say that it is verified, or theirs did not: whoever named it first
    would share the account of who has it."""
    connection, workspace_id = transaction.connection, issuer.workspace_id
    user = await identities.lock_user_by_address.first(connection, workspace_id=workspace_id, email_key=whom.email_key)
    if user is None:
        user = await _made(transaction, whom)
    elif not whom.verified:
        return _TAKEN
    elif not same_mailbox(user.email, whom.email):
        return _ALIKE
    elif not user.proven:
        return _UNPROVEN
    elif user.status == UserStatus.DEACTIVATED:
        return user
    else:
        transaction.audit(
            Action.IDENTITY_JOINED,
            actor_id=user.id,
            by=Actor.ISSUER,
            user_id=user.id,
            issuer=str(issuer.id),
            status=user.status,
        )
    identity = await identities.insert_identity.first(
        connection,
        workspace_id=workspace_id,
        issuer_id=issuer.id,
        subject=whom.subject,
        user_id=user.id,
        verified=whom.verified,
    )
    if identity is None:
        raise _Overtaken
    return user


async def _made(transaction: Transaction, whom: Person) -> Identified:
    made = await create_user(
        transaction,
        kind=whom.kind,
        name=whom.shown_name,
        email=whom.email,
        password_hash=None,
        avatar_url=whom.picture,
    )
    if made is None:
        raise _Overtaken
    transaction.audit(Action.USER_CREATED, actor_id=made, by=Actor.ISSUER, user_id=made, kind=whom.kind.value)
    status = UserStatus.ACTIVE.value
    return Identified(
        made, whom.kind.value, status, whom.shown_name, whom.email, whom.picture, None, None, whom.verified
    )


def _refusal(user: Identified, shown: _Shown) -> str | None:
    """Why a token doesn't let its person in; None where it does."""
    if user.status == UserStatus.DEACTIVATED:
        return _DEACTIVATED
    if user.known_since is None or user.activated_at is None or user.activated_at <= user.known_since:
        return None
    # Deactivated once, and activated again: what was made before that, and shown to nobody yet, is over too. Tokens
    # count whole seconds.
    again = int(user.activated_at.timestamp())
    return None if shown.issued is not None and shown.issued >= again else _FROM_BEFORE


async def _follow(transaction: Transaction, issuer: IssuerRow, user: Identified, whom: Person) -> None:
    """Have the account say what the token says. Its kind stays."""
    connection = transaction.connection
    whose = {"workspace_id": transaction.workspace_id, "user_id": user.id}
    activated = user.status == UserStatus.INVITED
    if activated:
        await become_active(transaction, user.id, None)
        transaction.audit(Action.USER_ACTIVATED, actor_id=user.id, by=Actor.ISSUER, user_id=user.id)
    name = whom.name or user.name
    picture = whom.picture or user.avatar_url
    email = user.email
    if whom.verified and whom.email != user.email:
        taken = await identities.address_is_taken.one(connection, **whose, email_key=whom.email_key)
        email = user.email if taken else whom.email
    key = whom.email_key if email == whom.email else folded(email)
    if whom.verified and key == whom.email_key and not user.proven:
        this = {"workspace_id": transaction.workspace_id, "issuer_id": issuer.id, "subject": whom.subject}
        await identities.verify_identity.send(connection, **this)
    changed = (name, picture, email) != (user.name, user.avatar_url, user.email)
    if changed:
        await identities.update_person.send(
            connection, **whose, name=name, name_key=folded(name), email=email, email_key=key, avatar_url=picture
        )
        if email != user.email:
            # They went to an address that isn't theirs any more.
            await end_links(transaction, user.id)
        moved = key != folded(user.email)
        if moved:
            # It was chosen by who had the other mailbox. One for this address is set by a link that goes there: an
            # issuer, which speaks for its own firm alone, would else make sign-ins to an address that other firms know
            # too, and limits count by address.
            await users.set_password.send(connection, **whose, password_hash=None)
        transaction.audit(
            Action.USER_UPDATED,
            actor_id=user.id,
            by=Actor.ISSUER,
            user_id=user.id,
            name=name != user.name,
            picture=picture != user.avatar_url,
            email=email != user.email,
            password=moved,
        )
    if changed and not activated:
        transaction.record(EventKind.USER_UPDATED, user_id=user.id)
