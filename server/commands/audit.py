"""`parley audit`: the audit log of a workspace, for a person or, as JSON, for a program."""

import asyncio
import json
import sys
import unicodedata
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO
from uuid import UUID

import psycopg

from models.audit import Action, AuditRow
from models.connection import Connection
from resolvers import audit
from resolvers.audit import Wanted
from resolvers.user import user_with_address
from resolvers.workspace import workspace_by_slug
from schema.node_id import NodeKind, key_of
from server.process import make_pool
from server.settings import Settings, SettingsError

COLUMNS = ("WHEN (UTC)", "ACTION", "WHO", "ABOUT", "FROM", "DETAILS")
# Control characters, and those that say how others are shown: an escape or a bidi override drives a terminal.
UNSHOWN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Asked:
    """As it was typed."""

    workspace: str
    since: str | None = None
    until: str | None = None
    action: str | None = None
    user: str | None = None
    room: str | None = None
    before: str | None = None
    limit: int = 100


def main(settings: Settings, asked: Asked, *, as_json: bool, out: TextIO | None = None) -> None:
    """Raises SettingsError for what can't be read so."""
    try:
        asyncio.run(_read(settings, asked, as_json, out or sys.stdout))
    except psycopg.errors.UndefinedTable:
        raise SettingsError("the database is behind the code: run `parley migrate`") from None


async def _read(settings: Settings, asked: Asked, as_json: bool, out: TextIO) -> None:
    async with make_pool(settings, size=1) as pool, pool.connection() as connection:
        workspace_id = await workspace_by_slug(connection, asked.workspace)
        if workspace_id is None:
            raise SettingsError(f"there is no workspace {shown(asked.workspace)}")
        wanted = await _wanted(connection, workspace_id, asked)
        entries = audit.entries(connection, workspace_id, wanted, limit=asked.limit)
        await (_write_json if as_json else _write_table)(entries, out)


async def _wanted(connection: Connection, workspace_id: UUID, asked: Asked) -> Wanted:
    return Wanted(
        since=_moment("--since", asked.since),
        until=_moment("--until", asked.until),
        action=_action(asked.action),
        user_id=await _user(connection, workspace_id, asked),
        room_id=_key("--room", NodeKind.ROOM, asked.room),
        before=_key("--before", None, asked.before),
    )


def _moment(option: str, given: str | None) -> datetime | None:
    """A date is its beginning; without a zone it is UTC."""
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        raise SettingsError(
            f"{option}: {shown(given)} is no date or time, such as 2026-11-01 or 2026-11-01T09:30Z"
        ) from None


def _action(given: str | None) -> str | None:
    if given is not None and given.upper() not in {action.value for action in Action}:
        raise SettingsError(f"--action: {shown(given)} is none; there are {', '.join(Action)}")
    return given and given.upper()


async def _user(connection: Connection, workspace_id: UUID, asked: Asked) -> UUID | None:
    if asked.user is None or "@" not in asked.user:
        return _key("--user", NodeKind.USER, asked.user)
    found = await user_with_address(connection, workspace_id, asked.workspace, asked.user)
    if found is None:
        raise SettingsError(f"--user: nobody in {shown(asked.workspace)} has the address {shown(asked.user)}")
    return found


def _key(option: str, kind: NodeKind | None, given: str | None) -> UUID | None:
    """An id as the API gives it, or as the database has it; of something that may be gone."""
    if given is None:
        return None
    try:
        return (kind and key_of(kind, given)) or UUID(given)
    except ValueError:
        raise SettingsError(f"{option}: {shown(given)} is no id") from None


async def _write_json(entries: AsyncIterator[AuditRow], out: TextIO) -> None:
    """One entry a line, in ASCII."""
    async for entry in entries:
        values = {name: _plain(value) for name, value in entry._asdict().items()}
        out.write(json.dumps(values) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


async def _write_table(entries: AsyncIterator[AuditRow], out: TextIO) -> None:
    lines: list[Sequence[str]] = [COLUMNS]
    lines += [[shown(cell) for cell in _cells(entry)] async for entry in entries]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    for line in lines:
        out.write("  ".join(map(str.ljust, line, widths)).rstrip() + "\n")


def _cells(entry: AuditRow) -> list[str]:
    named = {
        "": entry.user_email or entry.user_id,
        "room ": entry.room_id,
        "portal ": entry.portal_id,
        "sign-in ": entry.session_id,
    }
    return [
        entry.occurred_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        entry.action,
        entry.actor_email or (f"{entry.by} {entry.actor_id}" if entry.actor_id else entry.by),
        ", ".join(f"{kind}{value}" for kind, value in named.items() if value),
        " ".join(filter(None, (entry.address, entry.user_agent))),
        " ".join(f"{name}={value}" for name, value in sorted(entry.details.items())),
    ]


def shown(text: str) -> str:
    """With everything escaped that is not simply shown."""
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return f"\\u{{{ord(character):04x}}}" if unicodedata.category(character) in UNSHOWN else character
