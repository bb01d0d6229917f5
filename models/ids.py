"""Ids are UUIDv7 (RFC 9562, section 5.7): made by whoever inserts, and close together in an index when close in time.

All that is not the time is random. The counters with which libraries keep ids of one millisecond in order would tell
how many ids were made between two that somebody sees, and so how many people were put into a room with them.
"""

import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def new_ids(count: int) -> list[UUID]:
    """Ids in ascending order."""
    return sorted(new_id() for _ in range(count))
