"""Event cursors: which event a stream continues behind, sealed.

A cursor is the event's position and stamp, encrypted and authenticated (AES-GCM, NIST SP 800-38D) with a fresh nonce
and bound to the workspace. So it has one length, two of the same event never look alike, nothing hidden can be
counted off it, and nobody makes one. The first byte names the key: new cursors take the first key given, older ones
stay good while their key is still listed.
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from models.event import Position
from resolvers.errors import Malformed

_LAYOUT = struct.Struct(">Qq")
_NONCE = 12
_LENGTH = 1 + _NONCE + _LAYOUT.size + 16


def derived(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HMAC as in HKDF-Expand, RFC 5869), so that no key serves two."""
    return hmac.digest(secret, purpose.encode() + b"\x01", hashlib.sha256)


class Sealer:
    def __init__(self, secrets: Sequence[bytes]) -> None:
        """`secrets`: at least one; the first seals, all of them open."""
        keys = [derived(secret, "event cursor") for secret in secrets]
        self._current = hashlib.sha256(keys[0]).digest()[0]
        # In reverse, so that of two keys with one name the first wins.
        self._keys = {hashlib.sha256(key).digest()[0]: AESGCM(key) for key in reversed(keys)}

    def seal(self, workspace_id: UUID, at: Position) -> str:
        nonce = os.urandom(_NONCE)
        name = bytes([self._current])
        sealed = self._keys[self._current].encrypt(nonce, _LAYOUT.pack(*at), name + workspace_id.bytes)
        return base64.urlsafe_b64encode(name + nonce + sealed).rstrip(b"=").decode()

    def open(self, workspace_id: UUID, cursor: str) -> Position:
        """
        Raises:
            Malformed: forged, cut, of another workspace, or sealed with a key that is no longer listed.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            if len(raw) != _LENGTH:
                raise Malformed("That is not a cursor.")
            key = self._keys[raw[0]]
            opened = key.decrypt(raw[1 : 1 + _NONCE], raw[1 + _NONCE :], raw[:1] + workspace_id.bytes)
        except (binascii.Error, ValueError, KeyError, InvalidTag):
            raise Malformed("That is not a cursor.") from None
        return Position(*_LAYOUT.unpack(opened))
