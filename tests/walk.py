"""A walk through the schema: every field that takes arguments, every place in them, and a request that is right.

Whoever adds an argument adds a right value for it to `RIGHT`; tests of bad input then try it by themselves.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_leaf_type,
)

from models.link import LinkPurpose
from resolvers.process import Process
from schema.build import printed
from schema.node_id import NodeKind, node_id
from tests.cast import PASSWORD, Person, link_of, make_portal, sign_in_of, user_of

SCHEMA = build_schema(printed())

# How to come to a type whose fields take arguments: the field around it, with the variables it needs.
ROADS = {
    "Room": ("room(id: $reached)", "($reached: ID!"),
    "Portal": ("portal(id: $reached)", "($reached: ID!"),
}


@dataclass(frozen=True)
class Scene:
    """Ada's room, in which cleo is and dan is not; with a message of each. And a portal, with nothing in it."""

    room: str
    of_ada: str
    of_cleo: str
    refresh_token: str
    sign_in: str
    tokens: dict[LinkPurpose, str]
    portal: str


async def make_scene(process: Process, ada: Person, cleo: Person) -> Scene:
    room = await ada.make_room(cleo)
    of_ada = await ada.send(room, "From ada")
    of_cleo = await cleo.send(room, "From cleo")
    signed_in = await sign_in_of(process, ada.workspace_id, ada.user_id)
    sign_in = node_id(NodeKind.SIGN_IN, signed_in.viewer.session_id)
    invited = await user_of(process, "ivy@client.test")
    tokens = {
        purpose: await link_of(process, ada.workspace_id, user_id, purpose)
        for purpose, user_id in (
            (LinkPurpose.INVITATION, invited),
            (LinkPurpose.SIGN_IN, ada.user_id),
            (LinkPurpose.RESET, ada.user_id),
        )
    }
    portal = await make_portal(process, ada)
    return Scene(room, of_ada["id"], of_cleo["id"], signed_in.refresh_token, sign_in, tokens, portal)


def right_values(asked: str, scene: Scene, people: dict[str, Person]) -> dict[str, Any]:
    """A right value for every argument that a request of ada's needs, by its name."""
    of_this_alone: dict[str, dict[str, Any]] = {
        "acceptInvitation": {"token": scene.tokens[LinkPurpose.INVITATION]},
        "signInWithToken": {"token": scene.tokens[LinkPurpose.SIGN_IN]},
        "resetPassword": {"token": scene.tokens[LinkPurpose.RESET]},
        "inviteTeammate": {"email": "new@firm.test"},
        "inviteClient": {"email": "new@client.test"},
        "cancelInvitation": {"userId": people["ivy"].id},
    }
    return {
        "id": scene.room,
        "ids": [scene.room],
        "roomId": scene.room,
        "messageId": scene.of_ada,
        "upToMessageId": scene.of_cleo,
        "inReplyToId": scene.of_cleo,
        "userId": people["cleo"].id,
        "userIds": [people["dan"].id],
        "participantIds": [people["dan"].id],
        "name": "Another name",
        "body": "Another text",
        "idempotencyKey": "a key",
        "email": people["ada"].member.email,
        "password": PASSWORD,
        "workspace": "northwind",
        "refreshToken": scene.refresh_token,
        "portalId": scene.portal,
        "signInId": scene.sign_in,
        "currentPassword": PASSWORD,
        "newPassword": "another password",
        "timeZone": "Europe/Berlin",
        "muted": True,
        "enabled": False,
        "query": "a",
        "kind": "CLIENT",
        "status": "ACTIVE",
        "archived": False,
        **of_this_alone.get(asked, {}),
    }


# What a request does well without: a page has its defaults, and some of them exclude each other.
LEFT_OUT = {"first", "after", "last", "before", "around", "filter"}


@dataclass(frozen=True)
class Place:
    """Somewhere in the arguments of a field: an argument, a member of an input, or an element of a list."""

    path: tuple[str | int, ...]
    type: Any

    @property
    def named(self) -> str:
        """The name of its type, or `[…]` for a list."""
        inner = self.type.of_type if isinstance(self.type, GraphQLNonNull) else self.type
        return f"[{get_named_type(inner).name}]" if isinstance(inner, GraphQLList) else str(get_named_type(inner).name)

    @property
    def is_nullable(self) -> bool:
        return not isinstance(self.type, GraphQLNonNull)


@dataclass(frozen=True)
class Asked:
    """A field of the schema that is not reached by selecting alone."""

    on: str
    name: str
    field: GraphQLField

    def __str__(self) -> str:
        return f"{self.on}.{self.name}"

    @property
    def is_mutation(self) -> bool:
        return self.on == "Mutation"

    def places(self) -> Iterator[Place]:
        for name, argument in self.field.args.items():
            yield from _places((name,), argument.type)

    def query(self, values: dict[str, Any]) -> str:
        """A document that asks for this field with these arguments, as variables of their names."""
        given = {name: argument for name, argument in self.field.args.items() if name in values}
        variables = ", ".join(f"${name}: {argument.type}" for name, argument in given.items())
        arguments = ", ".join(f"{name}: ${name}" for name in given)
        asked = self.name + (f"({arguments})" if arguments else "") + selection(self.field.type)
        if self.on not in ROADS:
            kind = "mutation" if self.is_mutation else "query"
            return f"{kind} {f'({variables}) ' if variables else ''}{{ {asked} }}"
        around, reached = ROADS[self.on]
        return f"query {reached}, {variables}) {{ {around} {{ {asked} }} }}"

    def arguments(self, scene: Scene, people: dict[str, Person]) -> dict[str, Any]:
        """Right ones, by name."""
        right = right_values(self.name, scene, people)
        if self.name == "portal":
            right["id"] = scene.portal
        return {
            name: _right(name, argument.type, right)
            for name, argument in self.field.args.items()
            if name not in LEFT_OUT
        }

    def variables(self, values: dict[str, Any], scene: Scene) -> dict[str, Any]:
        reached = {"Room": scene.room, "Portal": scene.portal}
        return {**values, "reached": reached[self.on]} if self.on in ROADS else values


def fields() -> list[Asked]:
    """Every root field but subscriptions, which are not asked for over HTTP, and every other field that takes
    arguments."""
    return [
        Asked(type_.name, name, field)
        for type_ in SCHEMA.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        if type_.name != "Subscription"
        for name, field in type_.fields.items()
        if type_.name in ("Query", "Mutation") or field.args
    ]


def spoiled(values: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """These arguments with another value at a place."""
    made = copy.deepcopy(values)
    at: Any = made
    for step, following in zip(place.path, place.path[1:], strict=False):
        inner: Any = [] if isinstance(following, int) else {}
        at = at.setdefault(step, inner) if isinstance(at, dict) else at[step]
    last = place.path[-1]
    if isinstance(at, list):
        at[:] = [value]
    else:
        at[last] = value
    return made


def selection(type_: Any) -> str:
    """Something of a type, with what tells refusals."""
    named = get_named_type(type_)
    if is_leaf_type(named):
        return ""
    chosen = ["__typename"]
    inner = getattr(named, "fields", {})
    if "userErrors" in inner:
        chosen.append("userErrors { code field message }")
    if "nodes" in inner:
        chosen.append("nodes { __typename } edges { cursor } pageInfo { hasNextPage hasPreviousPage }")
    if "totalCount" in inner:
        chosen.append("totalCount")
    return f" {{ {' '.join(chosen)} }}"


def _places(path: tuple[str | int, ...], type_: Any) -> Iterator[Place]:
    yield Place(path, type_)
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if isinstance(inner, GraphQLList):
        yield from _places((*path, 0), inner.of_type)
    elif isinstance(inner, GraphQLInputObjectType):
        for name, member in inner.fields.items():
            yield from _places((*path, name), member.type)


def _right(name: str, type_: Any, right: dict[str, Any]) -> Any:
    named = get_named_type(type_)
    if isinstance(named, GraphQLInputObjectType):
        return {member: _right(member, each.type, right) for member, each in named.fields.items()}
    return right[name]
