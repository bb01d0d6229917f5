"""Passwords, hashed with argon2id by a library at its own recommended cost (RFC 9106).

Hashing takes tens of milliseconds of a core on purpose, so it runs in threads: the event loop waits for nobody.
"""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()


@cache
def _nobody() -> str:
    """The hash that stands in for an account that is not there, so that the answer takes the same time."""
    return _hasher.hash("nobody signs in with this")


async def hash_password(password: str) -> str:
    return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(password: str, kept: str | None) -> bool:
    """Whether the password is the one that was kept; takes as long when nothing was kept."""
    return await asyncio.to_thread(_verify, password, kept)


def _verify(password: str, kept: str | None) -> bool:
    try:
        return _hasher.verify(kept or _nobody(), password) and kept is not None
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
