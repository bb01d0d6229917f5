"""The public keys of an issuer, and by which algorithms each may have signed: the key says that, never the token."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from models.issuer import IssuerRow

MOST_KEYS = 100
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_RSA_BITS = range(2048, 8193)  # shorter ones are broken by whoever pays for it, longer ones are slow for everybody
_CURVES: dict[type[Any], frozenset[str]] = {
    SECP256R1: frozenset({"ES256"}),
    SECP384R1: frozenset({"ES384"}),
    SECP521R1: frozenset({"ES512"}),
}
# What is public of each type. Nothing else of a JWK is looked at; symmetric ones (`oct`) are not in here.
_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}


class BadKeys(Exception):
    """What should be a key, or a set of them, is none."""


class KeysUnavailable(Exception):
    """The issuer's keys can't be had just now."""


@dataclass(frozen=True, slots=True)
class Key:
    """`kid` is None where every token is meant."""

    kid: str | None
    algorithms: frozenset[str]
    fingerprint: bytes
    public: Any = field(compare=False, repr=False)


class Keyring(Protocol):
    async def keys(self, issuer: IssuerRow, suit: Callable[[Sequence[Key]], bool]) -> Sequence[Key]:
        """An issuer's keys as they are known. Where they don't suit, it is asked again, as often as it may be.

        Raises:
            KeysUnavailable: they have never been known, or not for too long.
        """


def read_pem(text: str) -> Key:
    """
    Raises:
        BadKeys: it is no public key that may sign tokens.
    """
    try:
        key = _key(load_pem_public_key(text.encode()), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if key is None:
        raise BadKeys("this is no public key in PEM: RSA of 2048 bits or more, EC on P-256, P-384 or P-521, or Ed25519")
    return key


def read_jwks(raw: bytes) -> tuple[Key, ...]:
    """Those keys of a JWK set (RFC 7517) that may sign tokens; all others are passed over.

    Raises:
        BadKeys: it is no JWK set.
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadKeys("this is no JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise BadKeys("this is no JWK set")
    found = (_read_jwk(each) for each in listed[:MOST_KEYS] if isinstance(each, dict))
    return tuple(key for key in found if key is not None)


def _read_jwk(jwk: dict[str, Any]) -> Key | None:
    kind, kid, operations, algorithm = jwk.get("kty"), jwk.get("kid"), jwk.get("key_ops"), jwk.get("alg")
    if not isinstance(kind, str) or kind not in _MEMBERS or jwk.get("use", "sig") != "sig":
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    if kid is not None and not isinstance(kid, str):
        return None
    try:
        public = _READERS[kind]({"kty": kind, **{name: jwk[name] for name in _MEMBERS[kind]}})
        key = _key(public, kid)
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        return None
    if key is None or algorithm is None:
        return key
    if not isinstance(algorithm, str) or algorithm not in key.algorithms:
        return None
    return Key(kid, frozenset({algorithm}), key.fingerprint, key.public)


def _key(public: Any, kid: str | None) -> Key | None:
    algorithms = _algorithms(public)
    if not algorithms:
        return None
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(kid, algorithms, hashlib.sha256(der).digest(), public)


def _algorithms(public: Any) -> frozenset[str]:
    match public:
        case RSAPublicKey():
            # An exponent that nobody uses makes each verification slow.
            usual = public.key_size in _RSA_BITS and public.public_numbers().e < 2**33
            return _RSA if usual else frozenset()
        case EllipticCurvePublicKey():
            return _CURVES.get(type(public.curve), frozenset())
        case Ed25519PublicKey() | Ed448PublicKey():
            return frozenset({"EdDSA"})
    return frozenset()
