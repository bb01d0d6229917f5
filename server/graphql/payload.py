"""JSON in and out: orjson, and the standard library for the few texts that orjson can't carry.

orjson refuses lone surrogates (RFC 8259 §8.2 leaves them open) as a whole body, and integers past 64 bits in
what it writes. What a client sends must be answered at its field, not as an unreadable body, so both are
tried again.
"""

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import orjson

# Of a number, true, false or null, in bytes: the longest of a double.
_LONGEST_NUMBER = 24


class NotJSON(ValueError):
    """The text is not JSON (RFC 8259, in UTF-8), or is nested too deeply to be read."""


def decode(text: bytes) -> Any:
    """Read JSON. Raises NotJSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        # Decoded here, because json.loads would also accept bytes in UTF-16 and UTF-32.
        return json.loads(text.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise NotJSON from None


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand within each other over more levels than these."""
    level = [value]
    for _ in range(levels + 1):
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            return False
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return True


def encode(value: Any) -> bytes:
    """Write JSON. Raises TypeError for what is not made of dicts with string keys, lists, strings …"""
    try:
        # A copy: what orjson gives keeps the room that it wrote in, which is several times as large.
        return bytes(memoryview(orjson.dumps(value)))
    except TypeError:
        # Input that is quoted in an error may hold a lone surrogate: escaped, it is ASCII and travels safely.
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def fits(value: Any, most: int) -> bool:
    """Whether `encode` would give at most so many bytes, told without writing them all."""
    return _fits(value, most, lambda text: 6 * len(text)) or _fits(value, most, lambda text: len(encode(text)))


def _fits(value: Any, most: int, size: Callable[[str], int]) -> bool:
    left = most
    waiting: list[Any] = [[value]]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            left -= sum(map(len, each)) + 4 * len(each) + 2  # names are ASCII in GraphQL
            each = each.values()
        else:
            left -= len(each) + 2
        for inner in each:
            if isinstance(inner, str):
                left -= size(inner) + 2
            elif isinstance(inner, dict | list):
                waiting.append(inner)
            else:
                left -= _LONGEST_NUMBER
            if left < 0:
                return False
    return left >= 0


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN, Infinity: Python's own extension of JSON


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number
