"""Scalars of our own."""

from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

URL = NewType("URL", str)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC, with a "Z" and microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


scalar_map: dict[Any, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description='A moment: RFC 3339 in UTC, with a "Z" and microseconds, as in 2026-03-01T09:30:00.000000Z.',
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=rfc3339,
        parse_value=datetime.fromisoformat,
    ),
    URL: strawberry.scalar(
        name="URL",
        description="An absolute URL (RFC 3986).",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3986",
        serialize=str,
        parse_value=str,
    ),
}
