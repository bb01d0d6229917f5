"""Global ids: opaque, one for each thing, and whatever else somebody sends finds nothing."""

import base64
import itertools
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.ids import new_id, new_ids
from schema.node_id import NodeKind, key_of, node_id, read_node_id
from tests.cast import Person

kinds = st.sampled_from(NodeKind)
some_key = UUID("01900000-0000-7000-8000-0000000000ff")
some_id = node_id(NodeKind.ROOM, some_key)


class TestReading:
    @given(kinds, st.uuids())
    def test_an_id_names_its_thing(self, kind: NodeKind, key: UUID) -> None:
        id = node_id(kind, key)
        assert read_node_id(id) == (kind, key)
        assert [key_of(each, id) for each in NodeKind] == [key if each is kind else None for each in NodeKind]

    @given(kinds, st.uuids())
    def test_an_id_is_safe_in_a_url(self, kind: NodeKind, key: UUID) -> None:
        assert set(node_id(kind, key)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

    @given(st.text(st.characters(codec=None, categories=None)) | st.text("ABMPRUVabz09-_=+/ \n\0\ud800é"))
    @example("")
    @example("=")
    @example("é" * 23)
    @example("Ｒ" * 23)
    def test_no_text_fails_to_be_read(self, given: str) -> None:
        found = read_node_id(given)
        assert found is None or node_id(*found) == given

    @given(st.binary(max_size=40))
    def test_of_any_bytes_only_a_kind_and_a_key_are_an_id(self, raw: bytes) -> None:
        id = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        is_one = len(raw) == 17 and raw[:1] in {kind.value for kind in NodeKind}
        assert (read_node_id(id) is not None) == is_one

    @given(st.integers(0, 22), st.characters())
    def test_a_changed_character_is_another_thing_or_nothing(self, place: int, character: str) -> None:
        changed = some_id[:place] + character + some_id[place + 1 :]
        found = read_node_id(changed)
        assert found is None or (found == (NodeKind.ROOM, some_key)) == (changed == some_id)


# The last character holds four bits that say nothing: 15 other spellings of the same bytes.
SPELLINGS = [
    some_id[:-1] + last
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if last != some_id[-1]
    and base64.urlsafe_b64decode(some_id[:-1] + last + "=") == NodeKind.ROOM.value + some_key.bytes
]


@pytest.mark.parametrize(
    "spelling",
    [
        *SPELLINGS,
        some_id + "=",
        some_id + "==",
        some_id + "\n",
        " " + some_id,
        some_id[:4] + "\n" + some_id[4:],
        base64.b64encode(b"R" + b"\xff" * 16).decode().rstrip("="),
    ],
)
def test_a_thing_has_one_id_and_no_other_spelling_of_it_counts(spelling: str) -> None:
    assert read_node_id(spelling) is None


def test_there_are_other_spellings_to_try() -> None:
    assert len(SPELLINGS) in (3, 15)


GARBAGE: list[Any] = [
    "",
    " ",
    "x",
    "null",
    "0",
    0,
    -1,
    7,
    "Room:1",
    "Um9vbTox",
    str(some_key),
    some_key.hex,
    "💥",
    "\0",
]
GARBAGE += ["\ud800", "A" * 10_240, "=" * 100, some_id * 2, some_id[:-2], "A" * 23, "../../etc/passwd", "' OR 1=1 --"]


async def test_garbage_is_no_node_and_never_a_fault(ada: Person) -> None:
    found = await ada.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=GARBAGE)
    assert found == {"nodes": [None] * len(GARBAGE)}
    for id in GARBAGE:
        found = await ada.ask("query ($id: ID!) { node(id: $id) { id } room(id: $id) { id } }", id=id)
        assert found == {"node": None, "room": None}


async def test_an_id_needs_a_sign_in_whatever_it_is(ada: Person, nobody: Person) -> None:
    for id in (await ada.make_room(), some_id, "rubbish"):
        assert await nobody.codes("query ($id: ID!) { node(id: $id) { id } room(id: $id) { id } }", id=id) == [
            "UNAUTHENTICATED",
            "UNAUTHENTICATED",
        ]


async def test_each_thing_is_found_under_its_own_type_by_the_id_that_it_says(ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    sent = await ada.send(room)
    found = await ada.ask("query ($id: ID!) { room(id: $id) { participants { nodes { id } } } }", id=room)
    participant = found["room"]["participants"]["nodes"][0]["id"]
    ids = {"Room": room, "Message": sent["id"], "Participant": participant, "User": cleo.id}
    found = await ada.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=list(ids.values()))
    assert found["nodes"] == [{"__typename": name, "id": id} for name, id in ids.items()]
    for name, id in ids.items():
        assert (await ada.ask("query ($id: ID!) { room(id: $id) { id } }", id=id))["room"] == (
            {"id": id} if name == "Room" else None
        )


async def test_nodes_keep_their_order_and_their_repetitions(ada: Person, ben: Person, zoe: Person) -> None:
    room = await ada.make_room()
    ids = [ben.id, "x", room, zoe.id, ben.id, ada.id]
    found = await ada.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)
    assert [node and node["id"] for node in found["nodes"]] == [ben.id, None, room, None, ben.id, ada.id]


def test_ids_made_together_tell_nothing_of_how_many_were_made_between_them() -> None:
    made = [new_id() for _ in range(2000)]
    assert len(set(made)) == len(made)
    assert all(each.version == 7 and each.variant == "specified in RFC 4122" for each in made)
    # The order of those of one millisecond is random: a counter would have them ascend.
    together = [(one, next) for one, next in itertools.pairwise(made) if one.int >> 80 == next.int >> 80]
    ascending = sum(one < next for one, next in together)
    assert 0.3 < ascending / len(together) < 0.7
    several = new_ids(50)
    assert several == sorted(several)
