"""Ids are UUIDv7 (RFC 9562): made by whoever inserts, and close together in an index when close in time."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    return uuid7()


def new_ids(count: int) -> list[UUID]:
    """Ids in ascending order."""
    return sorted(uuid7() for _ in range(count))
