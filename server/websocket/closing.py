"""Why a socket is closed: the codes of the protocol and of RFC 6455, with a reason.

They say what a client does next (npm's graphql-ws, and most): after 4403, 4408 and 1013 it connects anew, and asks for
its token again; 1007, 1008, 1009, 4400, 4401, 4406, 4409 and 4429 are the end.
"""

from typing import NamedTuple

# A close frame carries 125 bytes, two of them the code (RFC 6455 §5.5).
_LONGEST = 123


class Close(NamedTuple):
    code: int
    reason: str


UNAUTHORIZED = Close(4401, "Unauthorized")
NOT_ACCEPTABLE = Close(4406, "Subprotocol not acceptable")
TOO_LATE = Close(4408, "Connection initialisation timeout")
TWICE = Close(4429, "Too many initialisation requests")
BROKEN = Close(1013, "Internal server error")
FLOOD = Close(1008, "Too many frames")
TRY_AGAIN = Close(1013, "Try again later")
TOO_MANY = Close(1013, "Too many connections")


def malformed(what: str) -> Close:
    """What came is no message of the protocol."""
    return Close(4400, _fit(what))


def forbidden(why: str) -> Close:
    """The sign-in is bad, or has ended."""
    return Close(4403, _fit(f"Forbidden: {why}"))


def taken(operation_id: str) -> Close:
    head, tail = "Subscriber for ", " already exists"
    return Close(4409, f"{head}{_fit(operation_id, _LONGEST - len(head) - len(tail))}{tail}")


def _fit(text: str, longest: int = _LONGEST) -> str:
    raw = text.encode("utf-8", "replace")  # an id may hold a lone surrogate
    return raw.decode() if len(raw) <= longest else raw[: longest - 3].decode("utf-8", "ignore") + "…"
