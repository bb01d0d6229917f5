"""JSON in and out: orjson, and the standard library for the few texts that orjson can't carry.

orjson refuses lone surrogates (RFC 8259 §8.2 leaves them open) as a whole body, and integers past 64 bits in
what it writes. What a client sends must be answered at its field, not as an unreadable body, so both are
tried again.
"""

import json
import math
from typing import Any, NoReturn

import orjson


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


def encode(value: Any) -> bytes:
    """Write JSON. Raises TypeError for what is not made of dicts with string keys, lists, strings …"""
    try:
        return orjson.dumps(value)
    except TypeError:
        # Input that is quoted in an error may hold a lone surrogate: escaped, it is ASCII and travels safely.
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN, Infinity: Python's own extension of JSON


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number
