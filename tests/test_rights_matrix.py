"""Who may do what: each operation by everybody, from nobody to the creator and another firm.

A denied case changes nothing in any table, and the same input succeeds for somebody who is entitled, so that it was
denied for the right reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from resolvers.process import Process
from schema.node_id import NodeKind, node_id
from tests.cast import PASSWORD, Person, make_portal
from tests.ledger import Ledger
from tests.races import viewer_of
from tests.walk import Asked, fields, make_scene

ROLES = ["nobody", "outsider client", "outsider colleague", "client", "colleague", "creator", "another firm"]
WHO = {
    "nobody": "nobody",
    "outsider client": "dan",
    "outsider colleague": "ben",
    "client": "cleo",
    "colleague": "ben",
    "creator": "ada",
    "another firm": "zoe",
}


@dataclass(frozen=True)
class Scene:
    """Ada's room with cleo in it, and ben where he plays the colleague; a message of ada's and one of cleo's. And a
    portal, with cleo in it."""

    room: str
    of_ada: str
    of_cleo: str
    participant: str
    portal: str
    sign_in_of_ada: str
    people: dict[str, Person]

    async def ask(self, operation: "Operation", person: Person) -> str:
        """What comes of it: done, a code, or null."""
        found = await person.answer(operation.query, **operation.variables(self))
        if "errors" in found:
            return ",".join(error["extensions"]["code"] for error in found["errors"])
        (answer,) = found["data"].values()
        if isinstance(answer, dict) and answer.get("userErrors"):
            return ",".join(error["code"] for error in answer["userErrors"])
        return "null" if answer in (None, [None]) else "done"


@dataclass(frozen=True)
class Operation:
    name: str
    query: str
    variables: Callable[[Scene], dict[str, Any]]
    outcomes: tuple[str, ...]
    """In the order of ROLES."""
    entitled: str = "creator"

    def __str__(self) -> str:
        return self.name


def read(name: str, query: str, variables: Callable[[Scene], dict[str, Any]], *outcomes: str) -> Operation:
    return Operation(name, query, variables, outcomes)


def change(
    mutation: str,
    given: Callable[[Scene], dict[str, Any]],
    *outcomes: str,
    entitled: str = "creator",
    called: str = "",
) -> Operation:
    query = (
        f"mutation ($input: {mutation[0].upper()}{mutation[1:]}Input!) "
        f"{{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}"
    )
    name = f"{mutation} {called}".strip()
    return Operation(name, query, lambda scene: {"input": given(scene)}, outcomes, entitled)


UNAUTH, NO, GONE, NULL, DONE = "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "null", "done"
NODE = "query ($id: ID!) { node(id: $id) { id } }"
# Only who is in the room; only who is in it and internal; only who manages it.
INSIDE = (UNAUTH, NULL, NULL, DONE, DONE, DONE, NULL)
INSIDE_DOES = (UNAUTH, GONE, GONE, DONE, DONE, DONE, GONE)
FIRM = (UNAUTH, NO, DONE, NO, DONE, DONE, DONE)
MANAGES = (UNAUTH, NO, GONE, NO, NO, DONE, GONE)
# Any of the firm's own people, with what is the firm's.
OF_THE_FIRM = (UNAUTH, NULL, DONE, NULL, DONE, DONE, NULL)
FIRM_DOES = (UNAUTH, NO, DONE, NO, DONE, DONE, GONE)

OPERATIONS = [
    read("viewer", "{ viewer { id } }", lambda _: {}, UNAUTH, *[DONE] * 6),
    read("rooms", "{ rooms { totalCount } }", lambda _: {}, UNAUTH, *[DONE] * 6),
    read("users", "{ users { totalCount } }", lambda _: {}, UNAUTH, NULL, DONE, NULL, DONE, DONE, DONE),
    read("room", "query ($id: ID!) { room(id: $id) { id } }", lambda scene: {"id": scene.room}, *INSIDE),
    read("nodes", "query ($id: ID!) { nodes(ids: [$id]) { id } }", lambda scene: {"id": scene.room}, *INSIDE),
    read("node of a room", NODE, lambda scene: {"id": scene.room}, *INSIDE),
    read("node of a message", NODE, lambda scene: {"id": scene.of_cleo}, *INSIDE),
    read(
        "node of a participant",
        NODE,
        lambda scene: {"id": scene.participant},
        *(UNAUTH, NULL, NULL, NULL, DONE, DONE, NULL),
    ),
    read(
        "node of an author",
        NODE,
        lambda scene: {"id": scene.people["cleo"].id},
        *(UNAUTH, NULL, DONE, DONE, DONE, DONE, NULL),
    ),
    read(
        "node of somebody who has not written",
        NODE,
        lambda scene: {"id": scene.people["ivy"].id},
        *(UNAUTH, NULL, DONE, NULL, DONE, DONE, NULL),
    ),
    read("portals", "{ portals { totalCount } }", lambda _: {}, UNAUTH, NULL, DONE, NULL, DONE, DONE, DONE),
    read("portal", "query ($id: ID!) { portal(id: $id) { id } }", lambda scene: {"id": scene.portal}, *OF_THE_FIRM),
    read("node of a portal", NODE, lambda scene: {"id": scene.portal}, *OF_THE_FIRM),
    read(
        "rooms of a portal",
        "query ($id: ID!) { rooms(filter: {portalId: $id}) { totalCount } }",
        lambda scene: {"id": scene.portal},
        *(UNAUTH, NO, DONE, NO, DONE, DONE, DONE),
    ),
    change("createPortal", lambda _: {"name": "Harbor"}, *FIRM),
    change("renamePortal", lambda scene: {"portalId": scene.portal, "name": "Harbor"}, *FIRM_DOES),
    change(
        "removeClientFromPortal",
        lambda scene: {"portalId": scene.portal, "userId": scene.people["cleo"].id},
        *FIRM_DOES,
    ),
    change("linkRoomToPortal", lambda scene: {"roomId": scene.room, "portalId": scene.portal}, *MANAGES),
    change(
        "createRoom",
        lambda scene: {"name": "Lake", "portalId": scene.portal},
        *FIRM_DOES,
        called="in a portal",
    ),
    change(
        "createRoom",
        lambda scene: {"name": "Lake", "participantIds": [scene.people["dan"].id]},
        *(UNAUTH, NO, DONE, NO, DONE, DONE, GONE),
    ),
    change("renameRoom", lambda scene: {"roomId": scene.room, "name": "Lake"}, *MANAGES),
    change("archiveRoom", lambda scene: {"roomId": scene.room}, *MANAGES),
    change("unarchiveRoom", lambda scene: {"roomId": scene.room}, *MANAGES),
    change("addParticipants", lambda scene: {"roomId": scene.room, "userIds": [scene.people["dan"].id]}, *MANAGES),
    change("removeParticipant", lambda scene: {"roomId": scene.room, "userId": scene.people["cleo"].id}, *MANAGES),
    change(
        "leaveRoom",
        lambda scene: {"roomId": scene.room},
        *(UNAUTH, GONE, GONE, DONE, DONE, NO, GONE),
        entitled="client",
    ),
    change("sendMessage", lambda scene: {"roomId": scene.room, "body": "Hello"}, *INSIDE_DOES),
    change(
        "editMessage",
        lambda scene: {"messageId": scene.of_ada, "body": "Changed"},
        *(UNAUTH, GONE, GONE, NO, NO, DONE, GONE),
        called="of the creator's",
    ),
    change(
        "editMessage",
        lambda scene: {"messageId": scene.of_cleo, "body": "Changed"},
        *(UNAUTH, GONE, GONE, DONE, NO, NO, GONE),
        entitled="client",
        called="of a client's",
    ),
    change(
        "deleteMessage",
        lambda scene: {"messageId": scene.of_ada},
        *(UNAUTH, GONE, GONE, NO, NO, DONE, GONE),
        called="of the creator's",
    ),
    change(
        "deleteMessage",
        lambda scene: {"messageId": scene.of_cleo},
        *(UNAUTH, GONE, GONE, DONE, NO, NO, GONE),
        entitled="client",
        called="of a client's",
    ),
    change("markRoomRead", lambda scene: {"roomId": scene.room, "upToMessageId": scene.of_cleo}, *INSIDE_DOES),
    change("setRoomMuted", lambda scene: {"roomId": scene.room, "muted": True}, *INSIDE_DOES),
    change("setEmailNotifications", lambda _: {"enabled": False}, UNAUTH, *[DONE] * 6),
    change("updateProfile", lambda _: {"timeZone": "Europe/Berlin"}, UNAUTH, *[DONE] * 6),
    change(
        "endSignIn",
        lambda scene: {"signInId": scene.sign_in_of_ada},
        *(UNAUTH, GONE, GONE, GONE, GONE, DONE, GONE),
    ),
    change(
        "changePassword",
        lambda _: {"currentPassword": PASSWORD, "newPassword": "another password"},
        *(UNAUTH, *[DONE] * 6),
    ),
    change("inviteTeammate", lambda _: {"email": "new@firm.test", "name": "New"}, *FIRM),
    change(
        "inviteClient",
        lambda scene: {"portalId": scene.portal, "email": "new@client.test", "name": "New"},
        *FIRM_DOES,
    ),
    change("deactivateUser", lambda scene: {"userId": scene.people["ivy"].id}, *FIRM_DOES),
    change("activateUser", lambda scene: {"userId": scene.people["max"].id}, *FIRM_DOES),
    change("cancelInvitation", lambda scene: {"userId": scene.people["ivy"].id}, *FIRM_DOES),
    Operation("signOut", "mutation { signOut { userErrors { code } } }", lambda _: {}, (UNAUTH, *[DONE] * 6)),
]
# What needs no viewer; tests of sign-ins have it.
PUBLIC = {
    *("signIn", "refreshSession", "requestSignInLink", "signInWithToken"),
    *("acceptInvitation", "requestPasswordReset", "resetPassword"),
}


async def scene_for(role: str, people: dict[str, Person], process: Process, ledger: Ledger) -> Scene:
    ada, cleo = people["ada"], people["cleo"]
    room = await ada.make_room(cleo, *([people["ben"]] if role == "colleague" else []))
    of_ada, of_cleo = await ada.send(room), await cleo.send(room)
    found = await ada.ask("query ($id: ID!) { room(id: $id) { participants { nodes { id } } } }", id=room)
    participant = found["room"]["participants"]["nodes"][0]["id"]
    sign_in = node_id(NodeKind.SIGN_IN, (await viewer_of(process, ada)).session_id)
    portal = await make_portal(process, ada)
    await ledger.admit(portal, cleo)
    return Scene(room, of_ada["id"], of_cleo["id"], participant, portal, sign_in, people)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_who_is_not_entitled_changes_nothing(
    operation: Operation, people: dict[str, Person], nobody: Person, ledger: Ledger, process: Process
) -> None:
    actors = people | {"nobody": nobody}
    denied = None
    for role, wanted in zip(ROLES, operation.outcomes, strict=True):
        if wanted != DONE:
            scene = await scene_for(role, people, process, ledger)
            async with ledger.unchanged():
                assert await scene.ask(operation, actors[WHO[role]]) == wanted, role
            denied = scene
    if denied:
        # Of the same scene, somebody may: so it was denied for the right reason.
        assert await denied.ask(operation, people[WHO[operation.entitled]]) == DONE


ENTITLED = [
    (operation, role)
    for operation in OPERATIONS
    for role, outcome in zip(ROLES, operation.outcomes, strict=True)
    if outcome == DONE
]


@pytest.mark.parametrize(("operation", "role"), ENTITLED, ids=str)
async def test_who_is_entitled_succeeds(
    operation: Operation, role: str, people: dict[str, Person], process: Process, ledger: Ledger
) -> None:
    scene = await scene_for(role, people, process, ledger)
    assert await scene.ask(operation, people[WHO[role]]) == DONE


def test_every_root_field_stands_in_the_matrix() -> None:
    roots = {asked.name for asked in fields() if asked.on in ("Query", "Mutation")}
    assert {operation.name.split()[0] for operation in OPERATIONS} == roots - PUBLIC
    assert all(len(operation.outcomes) == len(ROLES) for operation in OPERATIONS)


async def sign_out(person: Person, ledger: Ledger) -> None:
    await person.do("signOut")


async def deactivate(person: Person, ledger: Ledger) -> None:
    await ledger.set_status(person, "DEACTIVATED")


async def let_expire(person: Person, ledger: Ledger) -> None:
    await ledger.sql("UPDATE session SET expires_at = now() WHERE user_id = %s", person.user_id)


GUARDED = [asked for asked in fields() if asked.on in ("Query", "Mutation") and asked.name not in PUBLIC]


@pytest.mark.parametrize("end", [sign_out, deactivate, let_expire])
async def test_a_sign_in_that_has_ended_is_refused_as_a_whole_whatever_is_asked(
    end: Callable[[Person, Ledger], Any],
    process: Process,
    ada: Person,
    cleo: Person,
    people: dict[str, Person],
    ledger: Ledger,
) -> None:
    scene = await make_scene(process, ada, cleo)
    await end(ada, ledger)
    async with ledger.unchanged():
        for asked in GUARDED:
            values = asked.arguments(scene, people)
            response = await ada.post(asked.query(values), **values)
            assert response.status_code == 401, asked
            assert response.json().keys() == {"errors"}, asked
            assert [error["extensions"]["code"] for error in response.json()["errors"]] == [UNAUTH], asked


@pytest.mark.parametrize("asked", [asked for asked in GUARDED if asked.is_mutation], ids=str)
async def test_nothing_is_done_behind_a_sign_out_in_the_same_document(
    asked: Asked, process: Process, ada: Person, cleo: Person, people: dict[str, Person], ledger: Ledger
) -> None:
    scene = await make_scene(process, ada, cleo)
    values = asked.arguments(scene, people)
    query = asked.query(values).replace("{ ", "{ first: signOut { userErrors { code } } ", 1)
    if not values:  # signOut itself: asked twice, done once
        assert await ada.ask(query) == {"first": {"userErrors": []}, "signOut": ada_signed_out()}
        return
    async with ledger.watching(ada) as written:
        found = await ada.answer(query, **values)
    assert found["data"] == {"first": {"userErrors": []}, asked.name: None}
    assert [error["extensions"]["code"] for error in found["errors"]] == [UNAUTH]
    assert [event.kind for event in written] == ["SESSION_ENDED"]


def ada_signed_out() -> dict[str, Any]:
    return {"__typename": "SignOutPayload", "userErrors": []}
