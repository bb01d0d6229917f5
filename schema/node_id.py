"""Global ids: what kind of thing, and which. Opaque to clients, and each thing has exactly one.

An id says nothing about whether its thing exists, and one that was never ours is answered like one that does not:
so reading an id never fails, it only finds nothing.
"""

import base64
import binascii
from enum import Enum
from uuid import UUID

import strawberry


class NodeKind(Enum):
    MESSAGE = b"M"
    PARTICIPANT = b"P"
    PORTAL = b"O"
    ROOM = b"R"
    SIGN_IN = b"S"
    USER = b"U"
    VIEWER = b"V"


# The key of nothing that ever was: for an id that is none, where None says that nothing was named.
NOTHING = UUID(int=0)


def node_id(kind: NodeKind, key: UUID) -> strawberry.ID:
    return strawberry.ID(base64.urlsafe_b64encode(kind.value + key.bytes).rstrip(b"=").decode())


def read_node_id(given: str) -> tuple[NodeKind, UUID] | None:
    """What an id names; None for what is no id."""
    try:
        raw = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True)
        found = NodeKind(raw[:1]), UUID(bytes=raw[1:])
    except (binascii.Error, ValueError):
        return None
    # Base64 has several spellings of some bytes; a thing has one id.
    return found if node_id(*found) == given else None


def key_of(kind: NodeKind, given: str) -> UUID | None:
    """The key of a thing of that kind; None for an id of another kind, and for what is no id."""
    found = read_node_id(given)
    return found[1] if found is not None and found[0] is kind else None


def named_key(kind: NodeKind, given: str | None) -> UUID | None:
    """The key of a thing that may be named or not; None where it is not."""
    return None if given is None or given is strawberry.UNSET else key_of(kind, given) or NOTHING
