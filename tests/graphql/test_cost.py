"""How many values an answer can hold, told before anything is executed."""

from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from schema.build import schema, weights
from server.graphql.document import Documents, Invalid
from server.graphql.limits import Limits
from tests.cast import Person

DOCUMENTS = Documents(schema._schema, weights=weights)


def cost(query: str, **variables: Any) -> int:
    return DOCUMENTS.get(query).operation(None).cost.of(variables)


ADD = """
    mutation ($u: [ID!]!) { addParticipants(input: {roomId: 1, userIds: $u}) { participants { id user { id } } } }
"""


@pytest.mark.parametrize(
    ("query", "variables", "values"),
    [
        ("{ viewer { id user { name } } }", {}, 4),
        ("{ rooms(first: 10) { nodes { id name } totalCount } }", {}, 1 + 10 * 4),
        ("{ rooms { nodes { id } } }", {}, 1 + 50 * 2),
        ("{ rooms(first: null) { nodes { id } } }", {}, 1 + 50 * 2),
        ("{ rooms(first: 10) { nodes { messages(last: 20) { nodes { id } } } } }", {}, 1 + 10 * (2 + 20 * 2)),
        ("query ($n: Int) { rooms(first: $n) { nodes { id } } }", {"n": 7}, 1 + 7 * 2),
        ("query ($n: Int = 9) { rooms(first: $n) { nodes { id } } }", {}, 1 + 9 * 2),
        ("query ($n: Int = 9) { rooms(first: $n) { nodes { id } } }", {"n": None}, 1 + 50 * 2),
        ("query ($n: Int) { rooms(first: $n) { nodes { id } } }", {"n": "many"}, 1 + 50 * 2),
        ("query ($f: Int, $l: Int) { rooms(first: $f, last: $l) { nodes { id } } }", {"l": 3}, 1 + 3 * 2),
        ("{ rooms(first: 2) { nodes { lastMessage { id body } } } }", {}, 1 + 2 * (2 + 1 + 10)),
        ("query ($n: Int) { rooms(first: $n) { nodes { id } } }", {"n": 100.0}, 1 + 100 * 2),
        (ADD, {"u": ["a"] * 3000}, 2 + 3000 * 3),
        ("mutation { addParticipants(input: {roomId: 1, userIds: [1, 2]}) { participants { id } } }", {}, 2 + 2),
        ("{ rooms(first: 1000000) { nodes { id } } }", {}, 1 + 100 * 2),
        ("{ rooms(first: -5) { nodes { id } } }", {}, 1),
        ('{ nodes(ids: ["a", "b"]) { id } }', {}, 1 + 2),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a"] * 30}, 1 + 30),
        (
            "{ rooms(first: 2) { ...R } } fragment R on RoomConnection { nodes { ...N } } fragment N on Room { id }",
            {},
            5,
        ),
        ("{ node(id: 1) { ... on Room { messages(first: 3) { nodes { id } } } } }", {}, 2 + 3 * 2),
    ],
)
def test_pages_multiply(query: str, variables: dict[str, Any], values: int) -> None:
    assert cost(query, **variables) == values


def test_introspection_counts_as_what_it_tells() -> None:
    standard = get_introspection_query(specified_by_url=True, input_value_deprecation=True)
    assert 1.5 * cost(standard) < Limits().introspected_values
    through_fragments = "{ __schema { types { ...T } } } fragment T on __Type { fields { name } }"
    assert cost(through_fragments) == 1 + 1 + len(schema._schema.type_map) * (1 + 5)


async def test_who_has_not_signed_in_has_no_endless_introspection(client: httpx.AsyncClient) -> None:
    types = "types { fields { type { fields { name description } } } }"
    many = f"{{ {' '.join(f'a{number}: __schema {{ {types} }}' for number in range(30))} }}"
    answer = await client.post("/graphql", json={"query": many})
    assert answer.json()["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


async def test_pages_of_pages_of_pages_are_refused_before_anything_is_read(ada: Person) -> None:
    nested = "nodes { room { messages(first: 100) { nodes { id } } } }"
    query = f"{{ rooms(first: 100) {{ nodes {{ messages(first: 100) {{ {nested} }} }} }} }}"
    assert await ada.codes(query) == ["QUERY_TOO_COMPLEX"]


async def test_the_largest_screens_are_let_through(ada: Person) -> None:
    message = "id sequence body createdAt editedAt author { id name }"
    query = f"{{ rooms(first: 100) {{ nodes {{ id messages(last: 100) {{ nodes {{ {message} }} }} }} }} }}"
    assert await ada.codes(query) == []


def test_it_is_one_of_the_limits() -> None:
    assert Limits().values == 250_000
    with pytest.raises(Invalid):
        DOCUMENTS.get("{ rooms { nope } }")
