"""The portal's back end as an issuer of tokens: one key, and what it signs."""

import json
import secrets
import time
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm

from server.demo.portal_host.people import Person

AUDIENCE = "parley"
SECONDS = 300


class Token(NamedTuple):
    text: str
    expires_at: int


class Issuer:
    """A key of its own for each start: a real portal keeps its key, and changes it now and then."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = generate_private_key(SECP256R1())
        self._kid = secrets.token_hex(8)

    def mint(self, person: Person) -> Token:
        """Say who somebody is. Only for whoever has signed in at the portal, and only about themselves."""
        now = int(time.time())
        claims = {
            "iss": self.name,
            "aud": AUDIENCE,
            "sub": person.id,
            "iat": now,
            "exp": now + SECONDS,
            # Two tokens of one second are two sign-ins.
            "jti": secrets.token_hex(16),
            "email": person.email,
            # The portal knows that the address is theirs: so they get the account that Parley has for it.
            "email_verified": True,
            "name": person.name,
            "parley_kind": person.kind,
        }
        return Token(jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._kid}), now + SECONDS)

    def keys(self) -> dict[str, Any]:
        """The public half, as a JWK set."""
        jwk = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        return {
            "keys": [{"kty": "EC", "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"], "use": "sig", "kid": self._kid}]
        }
