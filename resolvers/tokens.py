"""The two tokens of a sign-in: a short-lived signed one that names the session, and a rotating one that renews it.

The access token is a JWT (RFC 7519) signed with HS256; the refresh token is random, and only its SHA-256 is kept.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

_ISSUER = "parley"
_ALGORITHM = "HS256"
_SECRET = 32


@dataclass(frozen=True, slots=True)
class Named:
    """The sign-in that a token names; whether it is alive is the database's to say."""

    workspace_id: UUID
    session_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class RefreshToken:
    workspace_id: UUID
    session_id: UUID
    secret: bytes

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.secret).digest()

    def matches(self, kept: bytes) -> bool:
        return hmac.compare_digest(self.hash, bytes(kept))

    def __str__(self) -> str:
        raw = self.workspace_id.bytes + self.session_id.bytes + self.secret
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def new_refresh_token(workspace_id: UUID, session_id: UUID) -> RefreshToken:
    return RefreshToken(workspace_id, session_id, secrets.token_bytes(_SECRET))


def read_refresh_token(token: str) -> RefreshToken | None:
    """None for what is no refresh token at all."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 32 + _SECRET:
        return None
    return RefreshToken(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])


def access_token(key: bytes, named: Named, seconds: int) -> tuple[str, datetime]:
    """A token and the moment at which it expires, `seconds` from now."""
    now = datetime.now(UTC).replace(microsecond=0)
    expires = now + timedelta(seconds=seconds)
    claims = {
        "iss": _ISSUER,
        "exp": expires,
        "wid": str(named.workspace_id),
        "sid": str(named.session_id),
        "sub": str(named.user_id),
    }
    return jwt.encode(claims, key, algorithm=_ALGORITHM), expires


def read_access_token(key: bytes, token: str) -> Named | None:
    """None for a token that is forged, expired, or not one of ours."""
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            options={"require": ["exp", "iss", "sub", "sid", "wid"]},
        )
        return Named(UUID(claims["wid"]), UUID(claims["sid"]), UUID(claims["sub"]))
    except (jwt.InvalidTokenError, ValueError, AttributeError, TypeError):
        return None
