"""What `parley user …` does."""

from typing import Any
from uuid import UUID

from models.audit import Action, Actor
from models.user import UserKind
from resolvers import invitation, portal
from resolvers.account import activate_user, deactivate_user
from resolvers.credential import set_password as set_the_password
from resolvers.errors import Code, Refused
from resolvers.operation import Transaction, operate
from resolvers.password import hash_password, new_password
from resolvers.process import Process
from resolvers.user import create_account, status_of, user_with_address
from schema.node_id import NodeKind, key_of, node_id
from server.commands.audit import shown
from server.commands.operating import run, workspace_named
from server.commands.reaching import reached


def create(
    email: str, workspace: str, name: str, kind: str, portal: str | None, password: str | None, *, as_json: bool
) -> int:
    side = UserKind(kind.upper())

    async def work(process: Process) -> dict[str, Any]:
        workspace_id = await workspace_named(process, workspace)
        portal_id = await _portal(process, workspace_id, side, portal)
        hashed = None if password is None else await hash_password(new_password(password, "password"))

        async def make(transaction: Transaction) -> UUID:
            user_id = await create_account(transaction, kind=side, name=name, email=email, password_hash=hashed)
            await _put_into(transaction, portal_id, user_id)
            return user_id

        user_id = await operate(process, workspace_id, make)
        return {"id": node_id(NodeKind.USER, user_id), "email": email.strip(), "status": "ACTIVE"}

    return run(reached(), work, lambda done: f"made {done['email']}", as_json=as_json)


def invite(email: str, workspace: str, name: str, kind: str, portal: str | None, *, as_json: bool) -> int:
    side = UserKind(kind.upper())

    async def work(process: Process) -> dict[str, Any]:
        workspace_id = await workspace_named(process, workspace)
        portal_id = await _portal(process, workspace_id, side, portal)
        user_id = await operate(
            process,
            workspace_id,
            lambda transaction: invitation.invite(
                transaction, side, email=email, name=name, portal_id=portal_id, actor_id=None, by=Actor.OPERATOR
            ),
        )
        return {"id": node_id(NodeKind.USER, user_id), "email": email.strip()}

    return run(reached(), work, lambda done: f"invited {done['email']}", as_json=as_json)


def deactivate(who: str, workspace: str, *, as_json: bool) -> int:
    async def work(process: Process) -> dict[str, Any]:
        workspace_id, user_id = await _found(process, workspace, who)
        await operate(process, workspace_id, lambda transaction: deactivate_user(transaction, None, user_id))
        return {"id": node_id(NodeKind.USER, user_id), "status": "DEACTIVATED"}

    return run(reached(), work, lambda _: f"deactivated {who}", as_json=as_json)


def activate(who: str, workspace: str, *, as_json: bool) -> int:
    async def work(process: Process) -> dict[str, Any]:
        workspace_id, user_id = await _found(process, workspace, who)
        await operate(process, workspace_id, lambda transaction: activate_user(transaction, None, user_id))
        async with process.pool.connection() as connection:
            status = await status_of(connection, workspace_id, user_id)
        return {"id": node_id(NodeKind.USER, user_id), "status": status}

    return run(reached(), work, lambda done: f"{who} is {done['status']}", as_json=as_json)


def set_password(who: str, workspace: str, password: str, *, as_json: bool) -> int:
    async def work(process: Process) -> dict[str, Any]:
        workspace_id, user_id = await _found(process, workspace, who)
        hashed = await hash_password(new_password(password, "password"))
        await operate(process, workspace_id, lambda transaction: set_the_password(transaction, user_id, hashed))
        return {"id": node_id(NodeKind.USER, user_id)}

    return run(reached(), work, lambda _: f"set the password of {who}", as_json=as_json)


async def _found(process: Process, workspace: str, who: str) -> tuple[UUID, UUID]:
    workspace_id = await workspace_named(process, workspace)
    key = key_of(NodeKind.USER, who)
    if key is None:
        async with process.pool.connection() as connection:
            key = await user_with_address(connection, workspace_id, workspace, who)
    if key is None:
        raise Refused(Code.NOT_FOUND, f"there is nobody {shown(who)} in {shown(workspace)}", "who")
    return workspace_id, key


async def _portal(process: Process, workspace_id: UUID, kind: UserKind, given: str | None) -> UUID | None:
    if given is None:
        return None
    if kind is not UserKind.CLIENT:
        raise Refused(Code.INVALID, "only clients are in portals", "portal")
    async with process.pool.connection() as connection:
        named = await portal.portals_named(connection, workspace_id, given, key_of(NodeKind.PORTAL, given))
    if len(named) != 1:
        code = Code.INVALID if named else Code.NOT_FOUND
        raise Refused(code, f"{len(named) or 'no'} portals are called {shown(given)}", "portal")
    return named[0]


async def _put_into(transaction: Transaction, portal_id: UUID | None, user_id: UUID) -> None:
    if portal_id is not None and await portal.admit_client(transaction, portal_id, user_id):
        transaction.audit(Action.CLIENT_ADDED, actor_id=None, by=Actor.OPERATOR, user_id=user_id, portal_id=portal_id)
