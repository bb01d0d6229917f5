"""What a token of a firm's issuer says, and whether it is one."""

import hashlib
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import jwt

from models.issuer import IssuerRow
from models.user import UserKind
from resolvers.errors import Refused, Unauthenticated
from resolvers.issuer_key import Key
from resolvers.text import NAME_LIMIT, address_key, email_address, folded, is_text, person_name

LARGEST = 8192  # characters of a token
SUBJECT_LIMIT = 255  # OpenID Connect Core, 2
PICTURE_LIMIT = 2000
# Dates behind it fit into no calendar.
_LAST = 253_402_214_400  # 9999-12-31
# Keys that one token is tried with, where several have its name: each takes time from everybody, also for forgeries.
MOST_TRIED = 4
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# A logout token of the same issuer for the same audience signs nobody in (RFC 8725, 3.11).
_TYPES = ("jwt", "at+jwt")


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Which claims say what."""

    subject: str = "sub"
    email: str = "email"
    email_verified: str = "email_verified"
    name: str = "name"
    picture: str = "picture"
    kind: str = "parley_kind"


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself: enough to find the issuer and the key, and nothing to trust."""

    issuer: str
    algorithm: str
    kid: str | None

    def fitting(self, keys: Sequence[Key]) -> list[Key]:
        """The keys that can have made it. One that names none is only read where one alone is possible."""
        able = [key for key in keys if self.algorithm in key.algorithms]
        if self.kid is None:
            return able if len(able) == 1 else []
        static = [key for key in able if key.kid is None and len(keys) == 1]
        return static or [key for key in able if key.kid == self.kid][:MOST_TRIED]


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a token speaks of."""

    subject: str
    email: str
    email_key: str
    verified: bool
    # None where the token says nothing, or nothing that can be shown.
    name: str | None
    picture: str | None
    kind: UserKind

    @property
    def shown_name(self) -> str:
        """By the address, where the token has no name."""
        return self.name or _name(re.sub(r"[._+-]+", " ", self.email.partition("@")[0])) or self.email[:NAME_LIMIT]


def invalid() -> Unauthenticated:
    return Unauthenticated("The access token is not valid, or has expired.")


def unverified(token: str) -> Unverified | None:
    """None for what can't be a token of an issuer."""
    if len(token) > LARGEST or _COMPACT.fullmatch(token) is None:
        return None
    head, claims = map(_document, token.split(".")[:2])
    if head is None or claims is None or "crit" in head:
        return None
    issuer, algorithm, kid, kind = claims.get("iss"), head.get("alg"), head.get("kid"), head.get("typ", "JWT")
    if not (isinstance(issuer, str) and isinstance(algorithm, str) and isinstance(kind, str)):
        return None
    if kind.lower().removeprefix("application/") not in _TYPES:
        return None
    if kid is not None and not isinstance(kid, str):
        return None
    return Unverified(issuer, algorithm, kid)


def verified(
    token: str, algorithm: str, keys: Sequence[Key], issuer: IssuerRow, skew: int
) -> tuple[Key, dict[str, Any]]:
    """The claims of a token that the issuer has made for us and that is good now, and the key that says so.

    Raises:
        Unauthenticated: it is not.
    """
    for key in keys:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[algorithm],
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=skew,
                options={"require": ["exp", "iss", "aud"], "verify_sub": False, "verify_jti": False},
            )
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError, AttributeError):
            break
        if _is_moment(claims["exp"]) and all(_is_moment(claims[name]) for name in ("nbf", "iat") if name in claims):
            return key, claims
        break
    raise invalid()


def sign_in_of(token: str) -> UUID:
    """The id of a token's sign-in, which `signOut` bars.

    By what is signed, not by the signature: others of the same token can be made without the issuer's key (an ECDSA
    signature has a twin, and Base64 several spellings), and would be let in. The issuer is in it by its name, so that
    what was barred stays so where it is removed and added again.
    """
    signed = token.rpartition(".")[0]
    return UUID(bytes=hashlib.sha256(signed.encode()).digest()[:16])


def person(claims: Mapping[str, Any], names: ClaimNames) -> Person:
    """
    Raises:
        Unauthenticated: the token doesn't say whom it speaks of. Whoever holds it is told.
    """
    subject = _claim(claims, names.subject)
    if not isinstance(subject, str) or not subject or len(subject) > SUBJECT_LIMIT or not is_text(subject):
        raise Unauthenticated(f"The token has no usable subject ({names.subject}).")
    address = _address(_claim(claims, names.email))
    if address is None:
        raise Unauthenticated(f"The token has no usable e-mail address ({names.email}).")
    email, key = address
    return Person(
        subject=subject,
        email=email,
        email_key=key,
        verified=_claim(claims, names.email_verified) is True,
        name=_name(_claim(claims, names.name)),
        picture=_picture(_claim(claims, names.picture), email, key),
        kind=UserKind.INTERNAL if _claim(claims, names.kind) == UserKind.INTERNAL.value else UserKind.CLIENT,
    )


def _document(segment: str) -> dict[str, Any] | None:
    try:
        found = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_moment(value: object) -> bool:
    """Seconds since 1970 as a number (RFC 7519, 2); Python would take True and "12" for one too. NaN is in no range, a
    whole number may be too large for a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LAST


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """By its whole name, which may be a URL, or else by the way to it, with dots between."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    return found


def _address(given: object) -> tuple[str, str] | None:
    """An address and what counts as the same."""
    if not isinstance(given, str):
        return None
    try:
        email = email_address(given)
    except Refused:
        return None
    key = address_key(email)
    return None if key is None else (email, key)


def _name(given: object) -> str | None:
    if not isinstance(given, str):
        return None
    try:
        return person_name(given)
    except Refused:
        return None


def _picture(given: object, email: str, key: str) -> str | None:
    """The address of a picture, where it may be shown to others: it must not tell the person's own address, which some
    services put into it as it is, and some as a hash."""
    if (
        not isinstance(given, str)
        or not 0 < len(given) <= PICTURE_LIMIT
        or not given.isascii()
        or not given.isprintable()
    ):
        return None
    try:
        parts = urlsplit(given)
    except ValueError:
        return None
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or re.search(r"[\s<>\"']", given):
        return None
    plain = email.lower().encode()
    tells = (key, hashlib.md5(plain, usedforsecurity=False).hexdigest(), hashlib.sha256(plain).hexdigest())
    shown = folded(unquote(unquote(given)))
    host = parts.hostname.rstrip(".")
    hosts = host == "gravatar.com" or host.endswith(".gravatar.com")
    return None if hosts or any(each in shown for each in tells) else given
