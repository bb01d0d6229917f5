"""The two tokens of a sign-in: a short-lived signed one that names the session, and a rotating one that renews it.

The access token is a JWT (RFC 7519) signed with HS256; the refresh token is random, and only its SHA-256 is kept.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

OWN_ISSUER = "parley"
_ALGORITHM = "HS256"
_FAMILY = 16
_SECRET = 32
_NO_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class Named:
    """The sign-in that a token names; whether it is alive is the database's to say."""

    workspace_id: UUID
    session_id: UUID
    user_id: UUID
    # When its streams end with the token, in seconds since 1970; None where they live as long as the sign-in.
    ends: float | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """`family`: the same in every refresh token of a sign-in, and known only from one: it tells a token that was good
    once from one that somebody made up. `secret`: of this token alone."""

    workspace_id: UUID
    session_id: UUID
    family: bytes
    secret: bytes

    @property
    def family_hash(self) -> bytes:
        return hashlib.sha256(self.family).digest()

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.secret).digest()

    def is_of_family(self, kept: bytes | None) -> bool:
        return kept is not None and hmac.compare_digest(self.family_hash, bytes(kept))

    def matches(self, kept: bytes | None) -> bool:
        return kept is not None and hmac.compare_digest(self.hash, bytes(kept))

    def next(self) -> "RefreshToken":
        return replace(self, secret=secrets.token_bytes(_SECRET))

    def seal(self, successor: "RefreshToken") -> bytes:
        """What follows this token, for nobody but who holds it (AES-GCM, NIST SP 800-38D). A key that encrypts one
        thing needs no fresh nonce."""
        return AESGCM(self._key()).encrypt(_NO_NONCE, successor.secret, None)

    def open(self, sealed: bytes) -> "RefreshToken":
        return replace(self, secret=AESGCM(self._key()).decrypt(_NO_NONCE, bytes(sealed), None))

    def _key(self) -> bytes:
        return hmac.digest(self.secret, b"successor", hashlib.sha256)

    def __str__(self) -> str:
        return _text(self.workspace_id.bytes + self.session_id.bytes + self.family + self.secret)


def new_refresh_token(workspace_id: UUID, session_id: UUID) -> RefreshToken:
    return RefreshToken(workspace_id, session_id, secrets.token_bytes(_FAMILY), secrets.token_bytes(_SECRET))


def read_refresh_token(token: str) -> RefreshToken | None:
    """None for what is no refresh token at all."""
    raw = _bytes(token)
    if raw is None or len(raw) != 32 + _FAMILY + _SECRET:
        return None
    return RefreshToken(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32 : 32 + _FAMILY], raw[32 + _FAMILY :])


def link_token(keys: Sequence[bytes], workspace_id: UUID, link_id: UUID) -> str:
    """The token of a link: its ids and a MAC over them (HMAC-SHA256, RFC 2104), so that no copy of any table opens it.
    Made with the first key."""
    raw = workspace_id.bytes + link_id.bytes
    return _text(raw + _mac(keys[0], raw))


def read_link_token(keys: Sequence[bytes], token: str) -> tuple[UUID, UUID] | None:
    """The workspace and the link that a token names; None for what none of the keys made. Whether the link is still
    good is the database's to say."""
    raw = _bytes(token)
    if raw is None or len(raw) != 32 + _SECRET:
        return None
    named, mac = raw[:32], raw[32:]
    if not any(hmac.compare_digest(_mac(key, named), mac) for key in keys):
        return None
    return UUID(bytes=named[:16]), UUID(bytes=named[16:])


def access_token(key: bytes, named: Named, seconds: int) -> tuple[str, datetime]:
    """A token and the moment at which it expires, `seconds` from now."""
    now = datetime.now(UTC).replace(microsecond=0)
    expires = now + timedelta(seconds=seconds)
    claims = {
        "iss": OWN_ISSUER,
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
            issuer=OWN_ISSUER,
            options={"require": ["exp", "iss", "sub", "sid", "wid"]},
        )
        return Named(UUID(claims["wid"]), UUID(claims["sid"]), UUID(claims["sub"]))
    except (jwt.InvalidTokenError, ValueError, AttributeError, TypeError):
        return None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(token: str) -> bytes | None:
    """None for what is not Base64 as `_text` writes it."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if _text(raw) == token else None


def _mac(key: bytes, raw: bytes) -> bytes:
    return hmac.digest(key, raw, hashlib.sha256)
