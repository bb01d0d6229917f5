"""When the demo's stories happen: some days back, so that they look lived in whenever they are told."""

from datetime import UTC, datetime, time, timedelta

NOW = datetime.now(UTC)


def on(days_ago: int, clock: str) -> datetime:
    """A time of day in UTC, like "09:30", at least one day ago."""
    day = (NOW - timedelta(days=days_ago)).date()
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=UTC)


def minutes_ago(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)
