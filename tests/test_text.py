"""What text people may write: what is blank, too long, or no text at all."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolvers import text
from resolvers.errors import Code, Refused
from resolvers.process import Process
from tests.cast import Person
from tests.ledger import Ledger
from tests.walk import Asked, Place, fields, make_scene, spoiled

# Code points outside the first plane count as one each, whatever their length in UTF-16 or UTF-8.
ASTRAL = "💥"
INVISIBLE = [
    "",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\u00a0",
    "\u3000",
    "\u2003",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u2060",
    "\u00ad",
]
INVISIBLE += [
    "\u3164",
    "\u2800\u115f",
    "\u200b \u200b",
    "\u202e",
    "\u061c",
    "\x01",
    "\x7f",
    "\x85",
    "\u2028",
    "\u2029",
    " " * 5000,
]
NO_TEXT = ["\0", "a\0b", "\ud800", "\udfff", "a\udc00b", "\ude00\ud83d"]

anything = st.text(st.characters(codec=None, categories=None)) | st.text("\r\n \u200be\u0301\ud800\0a💥\ufeff")


def kept(rule: Callable[[str], str | None], given: str) -> str | Refused | None:
    """What is stored, or why nothing is."""
    try:
        return rule(given)
    except Refused as refused:
        return refused


def refusal(rule: Callable[[str], str | None], given: str) -> Code | None:
    found = kept(rule, given)
    return found.code if isinstance(found, Refused) else None


def body(given: str) -> Code | None:
    return refusal(text.message_body, given)


def name(given: str) -> Code | None:
    return refusal(text.room_name, given)


def key(given: str) -> Code | None:
    return refusal(text.idempotency_key, given)


class TestBodies:
    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("Hello", "Hello"),
            ("  Hello  ", "  Hello  "),
            ("\nHello\n", "\nHello\n"),
            ("a\r\nb\rc\nd", "a\nb\nc\nd"),
            ("a\r\r\nb", "a\n\nb"),
            ("e\u0301", "\u00e9"),
            ("\u212b", "\u00c5"),
            ("ﬁ", "ﬁ"),
            ("👩\u200d💻", "👩\u200d💻"),
            ("\u200bHello", "\u200bHello"),
            ("a\tb\x07", "a\tb\x07"),
        ],
        ids=ascii,
    )
    def test_are_stored_in_one_form_with_one_line_break_and_untrimmed(self, given: str, stored: str) -> None:
        assert text.message_body(given) == stored

    @pytest.mark.parametrize("given", INVISIBLE, ids=lambda given: ascii(given[:3]))
    def test_that_show_nothing_are_blank(self, given: str) -> None:
        assert body(given) is Code.BLANK

    @pytest.mark.parametrize("given", NO_TEXT, ids=ascii)
    def test_that_are_no_text_are_invalid(self, given: str) -> None:
        assert body(given) is Code.INVALID

    @pytest.mark.parametrize("unit", ["x", "é", "e\u0301", ASTRAL, "\u1100\u1161\u11a8"])
    def test_have_at_most_10_000_code_points_as_stored_after_trimming(self, unit: str) -> None:
        assert body(unit * 10_000) is None
        assert body(" \n" + unit * 10_000 + "\n ") is None
        assert body(unit * 10_001) is Code.TOO_LONG
        assert body("x" * 9_999 + unit) is None
        assert body("x" * 10_000 + unit) is Code.TOO_LONG

    def test_line_breaks_count_as_one_each(self) -> None:
        assert body("x" + "\r\n" * 9_998 + "x") is None
        assert body("x" + "\r\n" * 9_999 + "x") is Code.TOO_LONG

    def test_have_white_space_around_them_within_reason(self) -> None:
        assert body(" " * 10_000 + "x" * 10_000) is None
        assert body(" " * 10_001 + "x" * 10_000) is Code.TOO_LONG

    @given(anything)
    @example("\r" * 3 + "e\u0301\r\n")
    def test_once_stored_stay_as_they_are(self, given: str) -> None:
        stored = kept(text.message_body, given)
        if not isinstance(stored, str):
            assert isinstance(stored, Refused)
            assert stored.field == ("body",)
            assert stored.code in (Code.BLANK, Code.INVALID, Code.TOO_LONG)
            return
        assert text.message_body(stored) == stored
        assert unicodedata.is_normalized("NFC", stored)
        assert "\r" not in stored
        assert "\0" not in stored
        assert stored.encode()
        assert stored.strip()
        assert unicodedata.normalize("NFC", given.replace("\r\n", "\n").replace("\r", "\n")) == stored


class TestNames:
    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("Lake", "Lake"),
            ("  Lake house\n", "Lake house"),
            ("Cafe\u0301", "Café"),
            ("\u3000湖\u3000", "湖"),
            ("1", "1"),
        ],
        ids=ascii,
    )
    def test_are_stored_trimmed_and_in_one_form(self, given: str, stored: str) -> None:
        assert text.room_name(given) == stored

    @pytest.mark.parametrize("given", INVISIBLE, ids=lambda given: ascii(given[:3]))
    def test_that_show_nothing_are_blank(self, given: str) -> None:
        assert name(given) is Code.BLANK

    @pytest.mark.parametrize("given", [*NO_TEXT, "a\nb", "a\tb", "a\x07b", "a\u2028b", "a\x85b"], ids=ascii)
    def test_that_are_no_text_or_more_than_a_line_are_invalid(self, given: str) -> None:
        assert name(given) is Code.INVALID

    @pytest.mark.parametrize("unit", ["x", "e\u0301", ASTRAL])
    def test_have_at_most_200_code_points_after_trimming(self, unit: str) -> None:
        assert name("  " + unit * 200 + "  ") is None
        assert name(unit * 201) is Code.TOO_LONG

    @given(anything)
    def test_once_stored_stay_as_they_are(self, given: str) -> None:
        stored = kept(text.room_name, given)
        if not isinstance(stored, str):
            assert isinstance(stored, Refused)
            assert stored.field == ("name",)
            return
        assert text.room_name(stored) == stored == stored.strip()
        assert unicodedata.is_normalized("NFC", stored)
        assert len(stored.splitlines()) == 1
        assert 1 <= len(stored) <= 200


class TestNamesOfPeople:
    def test_are_stored_as_those_of_rooms(self) -> None:
        assert text.person_name("  Zoe\u0308 O'Hara, Dr. <3 ") == "Zoë O'Hara, Dr. <3"

    @pytest.mark.parametrize("given", INVISIBLE, ids=lambda given: ascii(given[:3]))
    def test_that_show_nothing_are_blank(self, given: str) -> None:
        assert refusal(text.person_name, given) is Code.BLANK

    @pytest.mark.parametrize("given", [*NO_TEXT, "a\nb", "a\r\nBcc: x@evil.test", "a\u2028b", "a\x85b"], ids=ascii)
    def test_that_are_no_text_or_more_than_a_line_are_invalid(self, given: str) -> None:
        assert refusal(text.person_name, given) is Code.INVALID

    @pytest.mark.parametrize("control", text.BIDI_CONTROLS, ids=ascii)
    def test_with_controls_of_the_direction_of_text_are_invalid(self, control: str) -> None:
        assert refusal(text.person_name, f"Ada{control}adA") is Code.INVALID

    def test_of_any_script_and_direction_are_names(self) -> None:
        for script in ("עדה", "آدا", "湖", "Владимир", "A\u200db"):
            assert text.person_name(script) == script

    def test_have_at_most_200_code_points(self) -> None:
        assert refusal(text.person_name, ASTRAL * 200) is None
        assert refusal(text.person_name, ASTRAL * 201) is Code.TOO_LONG


class TestAddresses:
    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("ada@firm.test", "ada@firm.test"),
            ("  Ada.B+mail@Firm.Test \n", "Ada.B+mail@Firm.Test"),
            ("Info@firm.test", "Info@firm.test"),
            ("o'brien@firm.local", "o'brien@firm.local"),
            ("j\u00f6rg@firm.test", "j\u00f6rg@firm.test"),
            ("jo\u0308rg@bu\u0308cher.test", "j\u00f6rg@b\u00fccher.test"),
            ("用户@例子.test", "用户@例子.test"),
            ("a@B\u00fccher.TEST", "a@B\u00fccher.TEST"),
            ("a@xn--bcher-kva.test", "a@xn--bcher-kva.test"),
            ("a@1.2.3.test", "a@1.2.3.test"),
            ("x" * 64 + "@firm.test", "x" * 64 + "@firm.test"),
            ("ö" * 32 + "@firm.test", "ö" * 32 + "@firm.test"),
        ],
        ids=ascii,
    )
    def test_are_stored_trimmed_and_in_one_form_with_the_case_that_they_came_in(self, given: str, stored: str) -> None:
        assert text.email_address(given) == stored

    @pytest.mark.parametrize("given", INVISIBLE, ids=lambda given: ascii(given[:3]))
    def test_that_show_nothing_are_blank(self, given: str) -> None:
        assert refusal(text.email_address, given) is Code.BLANK

    @pytest.mark.parametrize(
        "given",
        [
            *NO_TEXT,
            "ada",
            "@firm.test",
            "ada@",
            "ada@firm",
            "ada@firm@firm.test",
            "a@b, c@d",
            "a@b.test, c@d.test",
            "a@b.test,c",
            "a@b.test;c@d.test",
            "x@y>\r\nRCPT TO:<evil>",
            "x@y.test>\r\nRCPT TO:<evil@evil.test",
            "x\r\n@y.test",
            "x@y.test\r\nBcc: evil@evil.test",
            "x@y.test\x00",
            "x@y.te\x7fst",
            "<x@y.test>",
            "Ada <x@y.test>",
            '"a b"@y.test',
            '"a"@y.test',
            "a b@y.test",
            "a\u00a0b@y.test",
            "(comment)a@y.test",
            "a\\b@y.test",
            ".a@y.test",
            "a..b@y.test",
            "a.@y.test",
            "a@y..test",
            "a@y.test.",
            "a@-y.test",
            "a@y_z.test",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@ｙ.test",
            "a@y\u3002test",
            "a@\u2603.test",
            "a@xn--a.test",
            "\u200ba@y.test",
            "a\u200bb@y.test",
            "a\u202eb@y.test",
            "a\u2066b@y.test",
            "a@y\u200d.test",
            "\u0300a@y.test",
            *(f"a{nothing}@y.test" for nothing in "\u034f\u115f\u1160\u17b5\u180b\u2800\u3164\ufe0f\uffa0\U000e0100"),
            "a@" + "y" * 64 + ".test",
        ],
        ids=ascii,
    )
    def test_that_are_none_or_could_be_read_as_something_else_are_invalid(self, given: str) -> None:
        assert refusal(text.email_address, given) is Code.INVALID

    def test_have_as_many_octets_as_mail_allows(self) -> None:
        assert refusal(text.email_address, "x" * 65 + "@firm.test") is Code.TOO_LONG
        assert refusal(text.email_address, "ö" * 33 + "@firm.test") is Code.TOO_LONG
        domain = ".".join(["y" * 60] * 4)
        assert refusal(text.email_address, f"{'x' * 5}@{domain}.test") is None
        assert refusal(text.email_address, f"{'x' * 6}@{domain}.test") is Code.TOO_LONG
        assert refusal(text.email_address, "x" * 100_000 + "@firm.test") is Code.TOO_LONG

    def test_with_endless_marks_are_refused_before_they_are_normalised(self) -> None:
        assert refusal(text.email_address, "a" + "\u0300\u0316" * 600 + "@firm.test") is Code.INVALID

    @given(anything | st.emails())
    @example("a@b.test")
    def test_once_stored_stay_as_they_are_and_hold_nothing_that_headers_or_commands_are_made_of(
        self, given: str
    ) -> None:
        stored = kept(text.email_address, given)
        if not isinstance(stored, str):
            assert isinstance(stored, Refused)
            assert stored.field == ("email",)
            return
        assert text.email_address(stored) == stored
        assert stored.count("@") == 1
        assert not set(stored) & set(' \t\r\n\0<>",;:()[]\\' + text.BIDI_CONTROLS)
        assert text.address_key(stored) is not None


class TestKeys:
    @pytest.mark.parametrize("given", ["k", " ", "e\u0301", "a\nb", "x" * 200, ASTRAL * 200, "\u200b"], ids=len)
    def test_are_kept_as_they_came(self, given: str) -> None:
        assert text.idempotency_key(given) == given

    def test_may_be_left_out(self) -> None:
        assert text.idempotency_key(None) is None

    def test_have_1_to_200_code_points(self) -> None:
        assert key("") is Code.BLANK
        assert key("x" * 201) is Code.TOO_LONG
        assert key(ASTRAL * 201) is Code.TOO_LONG

    @pytest.mark.parametrize("given", NO_TEXT, ids=ascii)
    def test_that_are_no_text_are_invalid(self, given: str) -> None:
        assert key(given) is Code.INVALID


class TestFolding:
    @given(st.text())
    def test_folded_twice_is_folded_once(self, given: str) -> None:
        assert text.folded(text.folded(given)) == text.folded(given)

    @given(st.text())
    def test_forms_of_one_text_fold_to_one(self, given: str) -> None:
        assert text.folded(unicodedata.normalize("NFD", given)) == text.folded(unicodedata.normalize("NFC", given))

    @pytest.mark.parametrize(("one", "other"), [("STRASSE", "straße"), ("É", "e\u0301"), ("ΣΑΣ", "σας"), ("Ǆ", "ǆ")])
    def test_case_does_not_matter(self, one: str, other: str) -> None:
        assert text.folded(one) == text.folded(other)


class TestThroughTheApi:
    """As bytes of JSON, since a parser stands in the way: `\\ud800` is good JSON and no text."""

    async def post(self, person: Person, query: str, variables: str) -> Any:
        headers = {"content-type": "application/json", "authorization": f"Bearer {person.token}"}
        content = f'{{"query": {json.dumps(query)}, "variables": {variables}}}'.encode("ascii")
        return await person.client.post("/graphql", content=content, headers=headers)

    @pytest.mark.parametrize(
        ("mutation", "input", "field"),
        [
            ("createRoom", r'{"name": "\ud800"}', "name"),
            ("createRoom", r'{"name": "x", "idempotencyKey": "\ud800"}', "idempotencyKey"),
            ("renameRoom", r'{"roomId": "ROOM", "name": "a\ud83dz"}', "name"),
            ("sendMessage", r'{"roomId": "ROOM", "body": "a\ud800z"}', "body"),
            ("sendMessage", r'{"roomId": "ROOM", "body": "\ude00\ud83d"}', "body"),
            ("sendMessage", r'{"roomId": "ROOM", "body": "a\u0000z"}', "body"),
            ("sendMessage", r'{"roomId": "ROOM", "body": "x", "idempotencyKey": "\udfff"}', "idempotencyKey"),
            ("editMessage", r'{"messageId": "MESSAGE", "body": "\ud800"}', "body"),
        ],
    )
    async def test_a_lone_surrogate_is_invalid_at_its_field(
        self, mutation: str, input: str, field: str, ada: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room()
        message = await ada.send(room)
        query = (
            f"mutation ($input: {mutation[0].upper()}{mutation[1:]}Input!) "
            f"{{ {mutation}(input: $input) {{ userErrors {{ code field }} }} }}"
        )
        input = input.replace("ROOM", room).replace("MESSAGE", message["id"])
        async with ledger.unchanged():
            response = await self.post(ada, query, f'{{"input": {input}}}')
        assert response.status_code == 200
        assert response.json() == {"data": {mutation: {"userErrors": [{"code": "INVALID", "field": [field]}]}}}

    async def test_a_pair_of_surrogates_is_the_character_that_it_spells(self, ada: Person) -> None:
        room = await ada.make_room()
        query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { body } } }"
        response = await self.post(ada, query, rf'{{"input": {{"roomId": "{room}", "body": "\ud83d\udca5"}}}}')
        assert response.json() == {"data": {"sendMessage": {"message": {"body": ASTRAL}}}}

    @pytest.mark.parametrize("asked", [each for each in fields() if list(each.places())], ids=str)
    async def test_a_lone_surrogate_in_any_string_has_an_answer_at_its_field(
        self, asked: Asked, process: Process, ada: Person, cleo: Person, people: dict[str, Person], ledger: Ledger
    ) -> None:
        scene = await make_scene(process, ada, cleo)
        right = asked.arguments(scene, people)
        places = [place for place in asked.places() if place.named in ("String", "ID")]
        # A refused sign-in of somebody is recorded.
        async with ledger.unchanged(but="audit"):
            for place in places:
                values = spoiled(right, place, "\ud800")
                found = await ada.answer(asked.query(values), **asked.variables(values, scene))
                assert "data" in found, (place, found)
                codes = [error["extensions"]["code"] for error in found.get("errors", [])]
                assert set(codes) <= {"BAD_USER_INPUT"}, (place, found)
                if asked.is_mutation:
                    assert told(found["data"][asked.name], place), (place, found)

    async def test_lengths_hold_through_the_api(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room(name=ASTRAL * 200)
        for whole in (ASTRAL * 10_000, "x" * 10_000, "e\u0301" * 10_000):
            payload = await ada.done("sendMessage", {"roomId": room, "body": whole}, "message { body }")
            assert payload["message"]["body"] == unicodedata.normalize("NFC", whole)
        async with ledger.unchanged():
            for refused in (ASTRAL * 10_001, "x" * 500_000):
                assert await ada.refused("sendMessage", {"roomId": room, "body": refused}) == [("TOO_LONG", ["body"])]
            assert await ada.refused("renameRoom", {"roomId": room, "name": ASTRAL * 201}) == [("TOO_LONG", ["name"])]


def told(payload: Any, place: Place) -> bool:
    """Whether a refusal names the place, or, for credentials, nothing at all."""
    where = [list(map(str, place.path[1:])), None]
    return bool(payload["userErrors"]) and all(error["field"] in where for error in payload["userErrors"])


class TestTextThatTakesLongToNormalise:
    """Putting combining marks into their order takes time that grows with the square of a run's length."""

    MARKS = "a" + "\u0300\u0316" * 16

    @pytest.mark.parametrize(
        ("mutation", "field", "most"),
        [("sendMessage", "body", 10_000), ("createRoom", "name", 200)],
    )
    async def test_is_refused_before_it_is_normalised(self, ada: Person, mutation: str, field: str, most: int) -> None:
        more = {"roomId": await ada.make_room()} if mutation == "sendMessage" else {}
        assert await ada.refused(mutation, {field: self.MARKS, **more}) == [("INVALID", [field])]
        endless = "a" + "\u0300\u0316" * (8 * most)
        assert await ada.refused(mutation, {field: endless, **more}) == [("TOO_LONG", [field])]

    @pytest.mark.parametrize("query", ["rooms(filter: {query: $q})", "users(query: $q)"])
    async def test_is_nothing_to_look_for(self, ada: Person, query: str) -> None:
        asked = f"query ($q: String!) {{ {query} {{ nodes {{ id }} }} }}"
        for needle in (self.MARKS, "x" * 5000):
            assert await ada.codes(asked, q=needle) == ["BAD_USER_INPUT"]

    async def test_is_no_address(self, nobody: Person) -> None:
        for email in (self.MARKS, "a" + "\u0300\u0316" * 40_000):
            assert await nobody.refused("signIn", {"email": email, "password": "x"}) == [("INVALID_CREDENTIALS", None)]

    def test_thirty_marks_in_a_row_are_text(self) -> None:
        assert body("a" + "\u0300" * 30) is None
        assert body("a" + "\u0300" * 31) is Code.INVALID
