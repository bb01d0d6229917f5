"""The viewer: who is signed in, and what they set for themselves."""

import pytest

from tests.cast import Person
from tests.ledger import Ledger, Written

VIEWER = "{ viewer { id emailNotifications user { id name kind email } unreadMessageCount unreadRoomCount } }"


@pytest.mark.parametrize(("who", "kind"), [("ada", "INTERNAL"), ("cleo", "CLIENT"), ("zoe", "INTERNAL")])
async def test_is_who_signed_in(who: str, kind: str, people: dict[str, Person]) -> None:
    person = people[who]
    viewer = (await person.ask(VIEWER))["viewer"]
    assert viewer["user"] == {"id": person.id, "name": who.title(), "kind": kind, "email": person.member.email}
    assert (viewer["emailNotifications"], viewer["unreadMessageCount"], viewer["unreadRoomCount"]) == (True, 0, 0)
    assert (await person.ask(VIEWER))["viewer"]["id"] == viewer["id"] != person.id


async def test_nobody_is_told_so_at_each_field_and_the_document_is_answered(nobody: Person) -> None:
    found = await nobody.answer("{ __typename viewer { id } rooms { totalCount } }")
    assert found["data"] == {"__typename": "Query", "viewer": None, "rooms": None}
    assert [(error["path"], error["extensions"]["code"]) for error in found["errors"]] == [
        (["rooms"], "UNAUTHENTICATED"),
        (["viewer"], "UNAUTHENTICATED"),
    ]


async def test_turns_all_notifications_off_and_on_and_twice_is_once(cleo: Person, ada: Person, ledger: Ledger) -> None:
    select = "viewer { emailNotifications user { id } }"
    async with ledger.watching(cleo) as written:
        payload = await cleo.done("setEmailNotifications", {"enabled": False}, select)
    assert payload["viewer"] == {"emailNotifications": False, "user": {"id": cleo.id}}
    assert written == [Written("USER_UPDATED", user_id=cleo.user_id)]
    async with ledger.unchanged():
        assert await cleo.done("setEmailNotifications", {"enabled": False}, select) == payload
        await ada.done("setEmailNotifications", {"enabled": True})
    assert (await cleo.ask(VIEWER))["viewer"]["emailNotifications"] is False
    assert (await ada.ask(VIEWER))["viewer"]["emailNotifications"] is True
    payload = await cleo.done("setEmailNotifications", {"enabled": True}, select)
    assert payload["viewer"]["emailNotifications"] is True


async def test_muting_everything_leaves_the_rooms_own_setting_alone(ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    await cleo.done("setRoomMuted", {"roomId": room, "muted": True})
    await cleo.done("setEmailNotifications", {"enabled": False})
    await cleo.done("setEmailNotifications", {"enabled": True})
    assert await cleo.ask("query ($id: ID!) { room(id: $id) { muted } }", id=room) == {"room": {"muted": True}}
