"""A tutorial that runs: how to make the cast act, and what to expect."""

from tests.cast import Person


async def test_two_people_talk(ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo, name="Garden house")
    sent = await ada.send(room, "Good morning!")
    seen = await cleo.ask(
        "query ($id: ID!) { room(id: $id) { name unreadCount messages { nodes { id body author { name email } } } } }",
        id=room,
    )
    assert seen["room"] == {
        "name": "Garden house",
        "unreadCount": 1,
        "messages": {"nodes": [{"id": sent["id"], "body": "Good morning!", "author": {"name": "Ada", "email": None}}]},
    }


async def test_what_a_rule_refuses_is_data(cleo: Person) -> None:
    assert await cleo.refused("createRoom", {"name": "Mine"}) == [("FORBIDDEN", None)]
