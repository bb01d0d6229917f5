import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.graphql.payload import NotJSON, decode, encode, fits, is_deeper


def test_ordinary_json_goes_both_ways() -> None:
    value = {"a": [1, 2.5, None, True, "ü 🏊"], "b": {}}
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'"\\ud800"', "\ud800"),
        (b'["\\ud83d\\ude00", "\\ude00"]', ["\N{GRINNING FACE}", "\ude00"]),
        (b'["\\ud800", 123456789012345678901234567890]', ["\ud800", 123456789012345678901234567890]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_what_only_the_standard_library_reads(text: bytes, value: object) -> None:
    assert decode(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nonsense",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b'"\xff"',
        b'"\xed\xa0\x80"',  # a surrogate as bytes is not UTF-8
        '{"a": 1}'.encode("utf-16"),
        "\ufeff{}".encode(),
        b'["\\ud800", NaN]',
        b"[" * 100_000 + b"]" * 100_000,
        b'["\\ud800", ' + b"9" * 10_000 + b"]",
    ],
)
def test_what_is_not_json(text: bytes) -> None:
    with pytest.raises(NotJSON):
        decode(text)


@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"b":1,"a":', b"}]")])
def test_levels_are_counted_within_lists_and_objects(opens: bytes, closes: bytes) -> None:
    value = decode(opens * 30 + b"1" + closes * 30)
    levels = 30 * len(closes)
    assert not is_deeper(value, levels)
    assert is_deeper(value, levels - 1)


@pytest.mark.parametrize("value", [{"text": "a\ud800b"}, {"number": 2**80}, ["\ud800", 2**80, "ü"]])
def test_what_orjson_can_not_write_is_written_in_ascii(value: object) -> None:
    text = encode(value)
    assert text.isascii()
    assert json.loads(text) == value


def test_what_is_no_json_at_all_is_an_error() -> None:
    with pytest.raises(TypeError):
        encode({"a": object()})


@given(st.binary() | st.text().map(str.encode) | st.recursive(st.floats(), st.lists).map(json.dumps).map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    with suppress(NotJSON):
        decode(text)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_ANY)
def test_any_value_comes_back(value: object) -> None:
    assert json.loads(encode(value)) == value


TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(st.from_regex(r"\A[a-z_]{1,9}\Z"), inner),
)


@given(VALUES)
def test_what_is_said_to_fit_does(value: Any) -> None:
    size = len(encode(value))
    for most in range(0, 2 * size + 200, max(1, size // 5)):
        assert size <= most or not fits(value, most)
    assert fits(value, 30 * size + 100)


def test_texts_that_take_more_bytes_than_characters_are_measured_as_they_are_written() -> None:
    page = [{"body": "plain " * 100}] * 100
    assert fits(page, len(encode(page)) + 2_000)
    assert not fits([{"body": "\x01" * 600}] * 100, len(encode(page)) + 2_000)
    assert not fits({"body": "é" * 1_000}, 1_500)


@pytest.mark.parametrize("characters", [4, 4_000, 400_000])
def test_what_is_written_keeps_no_more_memory_than_it_is_long(characters: int) -> None:
    text = "x" * characters
    tracemalloc.start()
    try:
        written = [encode(text) for _ in range(10)]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * sum(map(len, written)) + 10_000
