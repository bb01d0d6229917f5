"""People: listing and finding them, by internal users only."""

from typing import Any

import pytest

from tests.cast import Person
from tests.ledger import Ledger

LIST = """
query ($query: String, $kind: UserKind, $status: UserStatus) {
  users(query: $query, kind: $kind, status: $status) { totalCount nodes { name } }
}
"""


async def listed(person: Person, **filters: Any) -> list[str]:
    found = (await person.ask(LIST, **filters))["users"]
    names = [node["name"] for node in found["nodes"]]
    assert found["totalCount"] == len(names)
    return names


EVERYBODY = ["Ada", "Ben", "Cleo", "Dan", "Ivy", "Max"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, EVERYBODY),
        ({"query": None, "kind": None, "status": None}, EVERYBODY),
        ({"query": ""}, EVERYBODY),
        ({"query": " "}, EVERYBODY),
        ({"kind": "INTERNAL"}, ["Ada", "Ben", "Max"]),
        ({"kind": "CLIENT"}, ["Cleo", "Dan", "Ivy"]),
        ({"status": "ACTIVE"}, ["Ada", "Ben", "Cleo", "Dan"]),
        ({"status": "INVITED"}, ["Ivy"]),
        ({"status": "DEACTIVATED"}, ["Max"]),
        ({"kind": "CLIENT", "status": "ACTIVE"}, ["Cleo", "Dan"]),
        ({"kind": "CLIENT", "status": "DEACTIVATED"}, []),
        ({"query": "a"}, ["Ada", "Dan", "Max"]),
        ({"query": " ADA "}, ["Ada"]),
        ({"query": "@CLIENT.test"}, ["Cleo", "Dan", "Ivy"]),
        ({"query": "@client.test", "status": "INVITED"}, ["Ivy"]),
        ({"query": "%"}, []),
        ({"query": "_"}, []),
        ({"query": "zoe"}, []),
        ({"query": "argon"}, []),
    ],
    ids=str,
)
async def test_a_list_is_filtered_by_name_or_address_by_side_and_by_status(
    filters: dict[str, Any], found: list[str], ada: Person
) -> None:
    # What nobody sees of a user, as their password's hash, is not looked in.
    assert await listed(ada, **filters) == found


async def test_names_stand_in_order_whatever_their_case(ada: Person, ledger: Ledger) -> None:
    for name, key in (("Ben", "zz"), ("Max", "aa")):
        await ledger.sql('UPDATE "user" SET name_key = %s WHERE name = %s', key, name)
    assert await listed(ada) == ["Max", "Ada", "Cleo", "Dan", "Ivy", "Ben"]


async def test_a_colleague_sees_addresses_and_statuses(ada: Person, max_: Person, ivy: Person) -> None:
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on User { name kind email status avatarUrl } } }"
    assert (await ada.ask(query, ids=[max_.id, ivy.id]))["nodes"] == [
        {"name": "Max", "kind": "INTERNAL", "email": "max@firm.test", "status": "DEACTIVATED", "avatarUrl": None},
        {"name": "Ivy", "kind": "CLIENT", "email": "ivy@client.test", "status": "INVITED", "avatarUrl": None},
    ]


async def test_a_client_sees_the_name_and_side_of_an_author_and_nothing_else(ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    await ada.send(room)
    query = "query ($id: ID!) { node(id: $id) { ... on User { name kind email status avatarUrl } } }"
    assert (await cleo.ask(query, id=ada.id))["node"] == {
        "name": "Ada",
        "kind": "INTERNAL",
        "email": None,
        "status": None,
        "avatarUrl": None,
    }


@pytest.mark.parametrize("query", ["\0", "\ud800"])
async def test_a_query_that_is_no_text_is_bad_user_input(query: str, ada: Person) -> None:
    assert await ada.codes(LIST, query=query) == ["BAD_USER_INPUT"]
    found = await ada.answer(LIST, query=query)
    assert found["data"] == {"users": None}
