"""Passwords, hashed with argon2id by a library at its own recommended cost (RFC 9106).

Hashing takes tens of milliseconds of a core on purpose, so it runs in threads: the event loop waits for nobody.
"""

import asyncio
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from resolvers.errors import Code, Refused
from resolvers.text import is_text

SHORTEST = 8  # characters: NIST SP 800-63B, section 5.1.1.2
LONGEST = 200

_hasher = PasswordHasher()


@cache
def _nobody() -> str:
    """The hash that stands in for an account that is not there, so that the answer takes the same time."""
    return _hasher.hash("nobody signs in with this")


def new_password(given: str, field: str) -> str:
    """A password as somebody chooses it. White space is a part of it.

    Raises:
        Refused: BLANK, INVALID or TOO_LONG at `field`.
    """
    if not given:
        raise Refused(Code.BLANK, "Choose a password.", field)
    if not is_text(given):
        raise Refused(Code.INVALID, "This holds characters that are no text.", field)
    if len(given) > LONGEST:
        raise Refused(Code.TOO_LONG, f"A password has at most {LONGEST} characters.", field)
    if len(given) < SHORTEST:
        raise Refused(Code.INVALID, f"A password has at least {SHORTEST} characters.", field)
    return given


async def hash_password(password: str) -> str:
    return await asyncio.to_thread(_hasher.hash, _typed(password))


async def verify_password(password: str, kept: str | None) -> bool:
    """Whether the password is the one that was kept; takes as long when nothing was kept."""
    return await asyncio.to_thread(_verify, password, kept)


def _verify(password: str, kept: str | None) -> bool:
    try:
        # What nobody can have chosen is not looked at: hashing what is huge would take its time.
        typed = _typed(password) if len(password) <= LONGEST else ""
        return _hasher.verify(kept or _nobody(), typed) and kept is not None
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def _typed(password: str) -> str:
    """The same whether a keyboard composes accents or sends them one by one (RFC 8265, section 4.2)."""
    return unicodedata.normalize("NFC", password)
