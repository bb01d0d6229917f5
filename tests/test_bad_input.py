"""Bad input in every argument of every field: each has its typed answer, and nothing is half done."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from resolvers.process import Process
from schema.node_id import NodeKind, node_id
from tests.cast import Person
from tests.ledger import Ledger
from tests.walk import Asked, Place, Scene, fields, make_scene, spoiled

FIELDS = fields()
PLACES = [(asked, place) for asked in FIELDS for place in asked.places()]
UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")
HUGE = "x" * 10_240

# Not what the schema asks for at all: BAD_USER_INPUT, and nothing is executed. (A number is a right ID.)
WRONG_TYPES: dict[str, list[Any]] = {
    "String": [5, 1.5, True, {}, ["x"]],
    "ID": [1.5, True, {}, ["x"]],
    "Int": ["5", 1.5, True, {}, [1], 2**31, -(2**31) - 1, 10**30],
    "Boolean": ["true", 1, 0, {}, [True]],
    "UserKind": ["", "NOBODY", "internal", "\ud800", HUGE, 5, {}, ["CLIENT"]],
    "UserStatus": ["", "ASLEEP", "active", "\ud800", HUGE, 5, {}, ["ACTIVE"]],
    "[ID]": [1.5, {}, [["x"]], [None], [1.5]],
}

# Text of a kind that somebody has sent to somebody's API: whatever the answer is, it is one.
TEXTS = [
    "",
    " ",
    "\u200b",
    "\n",
    HUGE,
    HUGE * 5,
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "%",
    "_",
    "\\",
    "'; --",
    "null",
]
TEXTS += ["💥" * 500, "e\u0301" * 100, "\u202e", "\ufeff", "{}", "0", "../..", "ﷺ" * 1000]


def right_actor(asked: Asked, people: dict[str, Person]) -> Person:
    """Ada may do everything but leave her own room."""
    return people["cleo" if asked.name == "leaveRoom" else "ada"]


def named(value: Any) -> str:
    return ".".join(map(str, value.path)) if isinstance(value, Place) else str(value)


class Trial:
    """Requests of one field, right but for one place."""

    def __init__(self, asked: Asked, scene: Scene, people: dict[str, Person]) -> None:
        self.asked = asked
        self.actor = right_actor(asked, people)
        self.scene = scene
        self.right = asked.arguments(scene, people)

    async def answer(self, values: dict[str, Any]) -> dict[str, Any]:
        """What is answered, which is never a fault of ours."""
        response = await self.actor.post(self.asked.query(values), **self.asked.variables(values, self.scene))
        found: dict[str, Any] = response.json()
        assert response.status_code < 500, found
        assert "INTERNAL_SERVER_ERROR" not in codes(found), found
        return found

    def payload(self, found: dict[str, Any]) -> Any:
        data = found.get("data") or {}
        return data.get(self.asked.name) if self.asked.is_mutation else data


def codes(found: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in found.get("errors", [])]


def wrong_ids(scene: Scene, zoe: Person, allowed: NodeKind) -> Iterator[Any]:
    """Ids that name nothing that this place takes: none at all, of another type, of another workspace, unknown."""
    things = {
        NodeKind.ROOM: scene.room,
        NodeKind.MESSAGE: scene.of_ada,
        NodeKind.USER: zoe.id,
        NodeKind.PORTAL: scene.portal,
        NodeKind.SIGN_IN: scene.sign_in,
    }
    right = things[allowed]
    yield from TEXTS
    yield from (7, -1, 10**30)
    yield from (node_id(kind, UNKNOWN) for kind in NodeKind)
    yield from (right + "=", right + " ", right[:-1], right + "A", right.lower(), right * 100)
    yield base64.b64encode(b"Room:1").decode()
    yield zoe.id
    yield from (id for kind, id in things.items() if kind is not allowed)


def wanted_kind(asked: Asked, place: Place) -> NodeKind:
    name = next(step for step in reversed(place.path) if isinstance(step, str))
    if name == "portalId" or asked.name == "portal":
        return NodeKind.PORTAL
    if "essage" in name or name in ("inReplyToId", "around"):
        return NodeKind.MESSAGE
    if name == "signInId":
        return NodeKind.SIGN_IN
    return NodeKind.USER if "user" in name.lower() or "participant" in name else NodeKind.ROOM


@pytest.mark.parametrize("asked", [asked for asked in FIELDS if list(asked.places())], ids=str)
async def test_a_value_of_a_wrong_type_is_bad_user_input_and_does_nothing(
    asked: Asked, process: Process, ada: Person, cleo: Person, people: dict[str, Person], ledger: Ledger
) -> None:
    trial = Trial(asked, await make_scene(process, ada, cleo), people)
    async with ledger.unchanged():
        for place in asked.places():
            values = WRONG_TYPES.get(place.named, ["x", 5, True, [5], {"nope": 1}])
            for value in values if place.is_nullable else [*values, None]:
                found = await trial.answer(spoiled(trial.right, place, value))
                assert set(codes(found)) == {"BAD_USER_INPUT"}, (place, value, found)


async def rows_but_of_audit(ledger: Ledger) -> dict[str, list[str]]:
    """A refused sign-in is recorded there, and nowhere else."""
    return {table: rows for table, rows in (await ledger.rows()).items() if table != "audit"}


HASHING = {"signIn", "acceptInvitation", "changePassword", "resetPassword"}
STRINGS = [(asked, place) for asked, place in PLACES if place.named == "String"]
IDS = [(asked, place) for asked, place in PLACES if place.named == "ID"]


@pytest.mark.parametrize(("asked", "place"), STRINGS, ids=named)
async def test_any_text_has_an_answer_and_a_refusal_does_nothing(
    asked: Asked, place: Place, process: Process, ada: Person, cleo: Person, people: dict[str, Person], ledger: Ledger
) -> None:
    trial = Trial(asked, await make_scene(process, ada, cleo), people)
    # Each sign-in hashes a password, which is slow on purpose.
    before = await rows_but_of_audit(ledger)
    for text in TEXTS[::3] if asked.name in HASHING else TEXTS:
        found = await trial.answer(spoiled(trial.right, place, text))
        payload = trial.payload(found)
        now = await rows_but_of_audit(ledger)
        if not asked.is_mutation or codes(found) or payload["userErrors"]:
            assert now == before
        before = now
        if asked.is_mutation and not codes(found):
            # Each refusal says which argument it is about, where it is about one.
            for error in payload["userErrors"]:
                # A link that one of these texts was good for is spent.
                allowed = [["token"]] if error["code"] == "EXPIRED" else [list(place.path[1:]), None]
                assert error["field"] in allowed, (text, error)


@pytest.mark.parametrize(("asked", "place"), IDS, ids=named)
async def test_an_id_of_anything_else_finds_nothing_and_does_nothing(
    asked: Asked,
    place: Place,
    process: Process,
    ada: Person,
    cleo: Person,
    zoe: Person,
    people: dict[str, Person],
    ledger: Ledger,
) -> None:
    trial = Trial(asked, await make_scene(process, ada, cleo), people)
    if asked.on == "Query" and asked.name.startswith("node"):
        return await _a_node_is_null_or_is_that_node(trial, place, zoe)
    refusals = set()
    async with ledger.unchanged():
        for value in wrong_ids(trial.scene, zoe, wanted_kind(asked, place)):
            found = await trial.answer(spoiled(trial.right, place, value))
            if asked.is_mutation:
                refusals |= {
                    (error["code"], error["message"], *error["field"]) for error in trial.payload(found)["userErrors"]
                }
                assert trial.payload(found)["userErrors"], (value, found)
                assert codes(found) == []
            elif place.path == ("around",):
                assert codes(found) in (["BAD_USER_INPUT"], ["NOT_FOUND"]), (value, found)
            elif place.path == ("filter", "portalId"):
                assert found["data"]["rooms"]["totalCount"] == len(found["data"]["rooms"]["nodes"]) == 0, (value, found)
            else:
                assert found == {"data": {asked.name: None}}, (value, found)
    if asked.is_mutation:
        # One answer for all of them: what an id is nobody learns by trying.
        assert refusals == {("NOT_FOUND", "Not found.", *map(str, place.path[1:]))}
    return None


async def _a_node_is_null_or_is_that_node(trial: Trial, place: Place, zoe: Person) -> None:
    for value in [*wrong_ids(trial.scene, zoe, NodeKind.ROOM), zoe.id]:
        found = await trial.answer(spoiled(trial.right, place, value))
        (only,) = found["data"].values()
        shown = only[0] if isinstance(only, list) else only
        mine = (
            {trial.scene.of_ada: "Message", trial.scene.portal: "Portal"}.get(value) if isinstance(value, str) else None
        )
        assert (shown and shown["__typename"]) == mine, (value, found)


@pytest.mark.parametrize("asked", FIELDS, ids=str)
async def test_the_right_request_is_answered_so_that_the_wrong_ones_fail_for_the_right_reason(
    asked: Asked, process: Process, ada: Person, cleo: Person, people: dict[str, Person]
) -> None:
    trial = Trial(asked, await make_scene(process, ada, cleo), people)
    found = await trial.answer(trial.right)
    assert codes(found) == []
    if asked.is_mutation:
        assert trial.payload(found)["userErrors"] == []


async def test_no_more_than_100_ids_are_looked_up_at_once(ada: Person) -> None:
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert (await ada.ask(query, ids=[ada.id] * 100))["nodes"] == [{"id": ada.id}] * 100
    assert await ada.codes(query, ids=[ada.id] * 101) == ["BAD_USER_INPUT"]
    assert (await ada.ask(query, ids=[]))["nodes"] == []


MUTATIONS = [asked for asked in FIELDS if asked.is_mutation]
# Done twice it is two things: sending without a key, say. All else comes out as if it had been asked once.
TWO_THINGS = {"signIn", "createPortal"}
# Who asks second is refused, as the first has taken away what it stands on.
SPENT = {
    "leaveRoom": ("NOT_FOUND", "roomId"),
    "endSignIn": ("NOT_FOUND", "signInId"),
    "cancelInvitation": ("NOT_FOUND", "userId"),
    "changePassword": ("INVALID_CREDENTIALS", "currentPassword"),
    "acceptInvitation": ("EXPIRED", "token"),
    "signInWithToken": ("EXPIRED", "token"),
    "resetPassword": ("EXPIRED", "token"),
}


@pytest.mark.parametrize("asked", MUTATIONS, ids=str)
async def test_the_same_request_twice_at_once_is_done_once(
    asked: Asked, process: Process, ada: Person, cleo: Person, people: dict[str, Person], ledger: Ledger
) -> None:
    trial = Trial(asked, await make_scene(process, ada, cleo), people)
    async with ledger.watching(ada) as written:
        found = await asyncio.gather(*(trial.answer(trial.right) for _ in range(2)))
    refusals = [error for each in found if not codes(each) for error in trial.payload(each)["userErrors"]]
    if asked.name == "signOut":
        # The second may come after the end of its own sign-in, and is then refused as a whole.
        assert [code for each in found for code in codes(each)] in ([], ["UNAUTHENTICATED"])
    else:
        assert [code for each in found for code in codes(each)] == []
    if asked.name in SPENT:
        ((code, where),) = {(error["code"], *error["field"]) for error in refusals}
        assert (code, where) == SPENT[asked.name]
        assert len(refusals) == 1
    else:
        assert refusals == []
    if asked.name not in TWO_THINGS:
        assert len({(event.kind, event.user_id, event.session_id) for event in written}) == len(written), written
