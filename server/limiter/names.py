"""Under which names buckets and places are kept: none tells an address, of people or of machines, without the key."""

import hashlib
import hmac
import json

from resolvers.limit import Charge, Place

_SIZE = 16  # bytes: no two are alike by chance


class Names:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def bucket(self, charge: Charge) -> bytes:
        return self._name("bucket", charge.rule.name, *charge.whose)

    def account(self, place: Place) -> bytes:
        """Of all places of the account."""
        return self._name("places", place.account)

    def network(self, place: Place) -> bytes:
        return self._name("place", place.account, place.network)

    def _name(self, *parts: str) -> bytes:
        return hmac.digest(self._key, json.dumps(parts).encode(), hashlib.sha256)[:_SIZE]
