"""Firms' own issuers: each speaks for one workspace."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

from models import identity as identities
from models import issuer as issuers
from models.audit import Action, Actor
from models.ids import new_id
from models.issuer import IssuerRow
from resolvers.errors import Code, Refused
from resolvers.issuer_key import BadKeys, read_pem
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.session import end
from resolvers.text import is_text
from resolvers.tokens import OWN_ISSUER

NAME_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Given:
    """An issuer as somebody describes it: with the address of its keys, or with its one key in PEM."""

    issuer: str
    audience: str
    jwks_url: str | None = None
    public_key: str | None = None


async def issuers_of(process: Process, workspace_id: UUID) -> list[IssuerRow]:
    async with process.pool.connection() as connection:
        return await issuers.issuers_of_workspace.all(connection, workspace_id=workspace_id)


async def the_workspace(process: Process) -> UUID | None:
    """The only one that there is; None where there is none, or more."""
    async with process.pool.connection() as connection:
        found = await issuers.first_workspaces.all(connection)
    return found[0].id if len(found) == 1 else None


async def put_issuer(process: Process, workspace_id: UUID, given: Given, *, insecure: bool = False) -> bool:
    """Have a workspace know an issuer, or what has changed about it; whether anything did. Asked twice, done once.

    insecure: its keys may come over plain HTTP from anywhere.

    Raises:
        Refused: INVALID; ALREADY_EXISTS where it speaks for another workspace: it is never moved.
    """
    _check(given, insecure=insecure)
    return await operate(process, workspace_id, lambda transaction: _put(transaction, given))


async def remove_issuer(process: Process, workspace_id: UUID, name: str) -> None:
    """Have it speak for nobody any more. The sign-ins that it has begun end; the accounts stay.

    Raises:
        Refused: NOT_FOUND.
    """
    await operate(process, workspace_id, lambda transaction: _remove(transaction, name))


def is_safe(url: str, *, insecure: bool = False) -> bool:
    """Whether keys may be fetched from there: by HTTPS, or from this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or parts.scheme not in ("https", "http"):
        return False
    return parts.scheme == "https" or insecure or host == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check(given: Given, *, insecure: bool) -> None:
    for name, text in (("issuer", given.issuer), ("audience", given.audience)):
        if not 0 < len(text) <= NAME_LIMIT or not is_text(text) or text != text.strip():
            raise Refused(Code.INVALID, f"This is no {name} as tokens name it.", name)
    if given.issuer == OWN_ISSUER:
        raise Refused(Code.INVALID, "This is the issuer of Parley's own tokens.", "issuer")
    if (given.jwks_url is None) == (given.public_key is None):
        raise Refused(Code.INVALID, "Give the address of its keys, or its key: one of them.", "jwks_url")
    if given.jwks_url is not None and not is_safe(given.jwks_url, insecure=insecure):
        raise Refused(Code.INVALID, "Keys are fetched by https://, or from this machine.", "jwks_url")
    if given.public_key is not None:
        try:
            read_pem(given.public_key)
        except BadKeys as bad:
            raise Refused(Code.INVALID, f"{str(bad).capitalize()}.", "public_key") from None


async def _put(transaction: Transaction, given: Given) -> bool:
    connection = transaction.connection
    what = {
        "workspace_id": transaction.workspace_id,
        "issuer": given.issuer,
        "audience": given.audience,
        "jwks_url": given.jwks_url,
        "public_key": given.public_key,
    }
    made = await issuers.insert_issuer.first(connection, **what, id=new_id())
    if made is not None:
        _audit(transaction, Action.ISSUER_ADDED, given.issuer)
        return True
    there = await issuers.issuer_by_name.first(connection, issuer=given.issuer)
    if there is None or there.workspace_id != transaction.workspace_id:
        raise Refused(Code.ALREADY_EXISTS, "This issuer speaks for another workspace.", "issuer")
    changed = await issuers.update_issuer.first(connection, **what)
    if changed is not None:
        _audit(transaction, Action.ISSUER_UPDATED, given.issuer)
    return changed is not None


async def _remove(transaction: Transaction, name: str) -> None:
    connection, where = transaction.connection, {"workspace_id": transaction.workspace_id}
    issuer_id = await issuers.lock_issuer_to_remove.first(connection, **where, issuer=name)
    if issuer_id is None:
        raise Refused(Code.NOT_FOUND, "This workspace has no such issuer.", "issuer")
    people: Sequence[UUID] = await issuers.delete_identities.all(connection, **where, issuer_id=issuer_id)
    begun = await identities.issuer_sessions_of_users.all(connection, **where, user_ids=list(people))
    for session_id in begun:
        await end(transaction, session_id)
    await issuers.delete_issuer.send(connection, **where, issuer_id=issuer_id)
    _audit(transaction, Action.ISSUER_REMOVED, name)


def _audit(transaction: Transaction, action: Action, name: str) -> None:
    transaction.audit(action, actor_id=None, by=Actor.OPERATOR, issuer=name)
