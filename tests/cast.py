"""The cast of every test: ada (who makes the rooms), ben (a colleague), cleo and dan (clients), zoe (another firm).

There are also ivy, who is invited, and max, who was deactivated. Nobody has to build people to say something simple.
"""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from models.ids import new_id
from models.link import LinkPurpose
from models.user import UserKind, UserStatus
from resolvers import portal as portals
from resolvers.link import send_link
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.session import SignedIn, begin
from resolvers.tokens import link_token
from resolvers.user import create_user
from resolvers.workspace import create_workspace
from schema.node_id import NodeKind, node_id

PASSWORD = "parley-test"
NORTHWIND = "northwind"
OTHER = "other"


@dataclass(frozen=True)
class Member:
    name: str
    workspace: str
    kind: UserKind
    status: UserStatus = UserStatus.ACTIVE

    @property
    def email(self) -> str:
        return f"{self.name}@{'client' if self.kind is UserKind.CLIENT else 'firm'}.test"


MEMBERS = [
    Member("ada", NORTHWIND, UserKind.INTERNAL),
    Member("ben", NORTHWIND, UserKind.INTERNAL),
    Member("cleo", NORTHWIND, UserKind.CLIENT),
    Member("dan", NORTHWIND, UserKind.CLIENT),
    Member("ivy", NORTHWIND, UserKind.CLIENT, UserStatus.INVITED),
    Member("max", NORTHWIND, UserKind.INTERNAL, UserStatus.DEACTIVATED),
    Member("zoe", OTHER, UserKind.INTERNAL),
]


async def sign_in_of(process: Process, workspace_id: UUID, user_id: UUID) -> SignedIn:
    """A sign-in of somebody, and perhaps not their only one."""
    return await operate(process, workspace_id, lambda transaction: begin(transaction, user_id))


async def make_cast(process: Process, password_hash: str, *, signed_in: bool = False) -> None:
    """signed_in: each who can be has one sign-in."""
    for slug in (NORTHWIND, OTHER):
        workspace = await create_workspace(process, f"{slug.title()} Studio", slug)

        async def fill(transaction: Transaction, slug: str = slug) -> None:
            for member in MEMBERS:
                if member.workspace == slug:
                    user_id = await create_user(
                        transaction,
                        kind=member.kind,
                        name=member.name.title(),
                        email=member.email,
                        password_hash=password_hash,
                        status=member.status,
                    )
                    if signed_in and user_id is not None and member.status is UserStatus.ACTIVE:
                        await begin(transaction, user_id)

        await operate(process, workspace, fill)


class Refusal(AssertionError):
    """An answer with errors where none were expected."""


class Person:
    """One of the cast, acting through the API as a client would."""

    def __init__(self, member: Member, workspace_id: UUID, user_id: UUID, client: httpx.AsyncClient) -> None:
        self.member = member
        self.workspace_id = workspace_id
        self.user_id = user_id
        self.client = client
        self.token: str | None = None

    @property
    def id(self) -> str:
        return node_id(NodeKind.USER, self.user_id)

    async def post(self, query: str, /, **variables: Any) -> httpx.Response:
        headers = {"accept": "application/graphql-response+json", "content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        # Escaped as ASCII, so that lone surrogates reach the API as a client in JavaScript sends them.
        body = json.dumps({"query": query, "variables": variables}).encode("ascii")
        return await self.client.post("/graphql", content=body, headers=headers)

    async def answer(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The whole answer, errors and all."""
        found: dict[str, Any] = (await self.post(query, **variables)).json()
        return found

    async def ask(self, query: str, /, **variables: Any) -> Any:
        """The data of an answer without errors."""
        found = await self.answer(query, **variables)
        if "errors" in found:
            raise Refusal(found["errors"])
        return found["data"]

    async def codes(self, query: str, /, **variables: Any) -> list[str]:
        """The codes of an answer's errors."""
        return [error["extensions"]["code"] for error in (await self.answer(query, **variables)).get("errors", [])]

    async def do(self, mutation: str, input: dict[str, Any] | None = None, select: str = "") -> Any:
        """A mutation's payload, by its name; with `userErrors`."""
        named = mutation[0].upper() + mutation[1:]
        if input is None:
            query = f"mutation {{ {mutation} {{ {select} userErrors {{ code field message }} }} }}"
            return (await self.ask(query))[mutation]
        query = (
            f"mutation ($input: {named}Input!) "
            f"{{ {mutation}(input: $input) {{ {select} userErrors {{ code field message }} }} }}"
        )
        return (await self.ask(query, input=input))[mutation]

    async def done(self, mutation: str, input: dict[str, Any], select: str = "") -> Any:
        """A mutation's payload, which must hold no refusal."""
        payload = await self.do(mutation, input, select)
        if payload["userErrors"]:
            raise Refusal(payload["userErrors"])
        return payload

    async def refused(self, mutation: str, input: dict[str, Any]) -> list[tuple[str, list[str] | None]]:
        """The codes and fields of the refusals."""
        return [(error["code"], error["field"]) for error in (await self.do(mutation, input))["userErrors"]]

    async def make_room(self, *people: "Person", name: str = "Garden house", **more: Any) -> str:
        payload = await self.done(
            "createRoom", {"name": name, "participantIds": [person.id for person in people], **more}, "room { id }"
        )
        room_id: str = payload["room"]["id"]
        return room_id

    async def make_portal(self, name: str = "Harbor Bakery") -> str:
        portal_id: str = (await self.done("createPortal", {"name": name}, "portal { id }"))["portal"]["id"]
        return portal_id

    async def send(self, room_id: str, body: str = "Hello", **more: Any) -> dict[str, Any]:
        payload = await self.done("sendMessage", {"roomId": room_id, "body": body, **more}, "message { id sequence }")
        message: dict[str, Any] = payload["message"]
        return message


async def make_portal(process: Process, person: Person, name: str = "Harbor") -> str:
    """A portal of the person's firm; its id."""

    async def make(transaction: Transaction) -> str:
        return node_id(NodeKind.PORTAL, await portals.make_portal(transaction, name, actor_id=person.user_id))

    return await operate(process, person.workspace_id, make)


async def link_of(process: Process, workspace_id: UUID, user_id: UUID, purpose: LinkPurpose) -> str:
    """A link's token, as its mail carries it."""

    async def make(transaction: Transaction) -> str:
        link_id = new_id()
        assert await send_link(transaction, user_id, purpose, link_id=link_id)
        return link_token(process.link_keys, workspace_id, link_id)

    return await operate(process, workspace_id, make)


async def user_of(process: Process, email: str) -> UUID:
    """Somebody who has an account in one workspace."""
    async with process.pool.connection() as connection:
        cursor = await connection.execute('SELECT id FROM "user" WHERE email = %s', [email])
        ((user_id,),) = await cursor.fetchall()
    found: UUID = user_id
    return found
