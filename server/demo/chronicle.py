"""A workspace's past, written as the rules would have given it.

The operations write the present: each takes its time from PostgreSQL's clock. A past that lies days back is written
here instead, with what the operations would have left behind: sequences without gaps, an event for each change, in one
order of time, times that never contradict it, and marks that only move forward.
"""

import secrets
from asyncio import run
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from models.event import EventKind
from models.ids import new_id, new_ids
from models.message import MessageSource
from models.session import SessionMethod
from models.user import UserKind, UserStatus
from resolvers.password import hash_password
from resolvers.text import folded

# Parents before those that refer to them.
TABLES = (
    *("workspace", "line", "user", "session", "portal", "portal_client", "room", "participant", "message"),
    *("read_mark", "event"),
)
SESSION_DAYS = 30

Row = dict[str, Any]


@dataclass(slots=True)
class Room:
    id: UUID
    people: list[UUID]
    last: int = 0
    marks: dict[UUID, int] = field(default_factory=dict)


class Chronicle:
    """Rows wait until `write` copies them; the caller's transaction is theirs. `now` is the moment being told of."""

    def __init__(self, connection: psycopg.Connection, workspace_id: UUID, began: datetime) -> None:
        self._connection = connection
        self._rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self._position = 0
        self.workspace_id = workspace_id
        self.now = began
        self._put("line")
        self._tell(EventKind.WORKSPACE_CREATED)

    @classmethod
    def open(cls, connection: psycopg.Connection, name: str, slug: str, began: datetime) -> "Chronicle | None":
        """A new workspace; None where the slug is taken. Who makes the same one just now is waited for."""
        workspace_id = new_id()
        made = connection.execute(
            "INSERT INTO workspace (id, name, slug, created_at) VALUES (%s, %s, %s, %s) ON CONFLICT (slug) DO NOTHING",
            [workspace_id, name, slug, began],
        )
        return cls(connection, workspace_id, began) if made.rowcount else None

    def at(self, moment: datetime) -> None:
        """Go on to a later moment."""
        if moment < self.now:
            raise ValueError(f"{moment} lies before {self.now}: events stand in the order of time")
        self.now = moment

    def user(self, name: str, email: str, kind: UserKind, password_hash: str) -> UUID:
        user_id = new_id()
        self._put(
            "user",
            id=user_id,
            kind=kind.value,
            status=UserStatus.ACTIVE.value,
            name=name,
            name_key=folded(name),
            email=email,
            email_key=folded(email),
            password_hash=password_hash,
            created_at=self.now,
        )
        self._tell(EventKind.USER_CREATED, user_id=user_id)
        return user_id

    def session(self, user_id: UUID) -> None:
        """A sign-in whose tokens nobody has."""
        self._put(
            "session",
            id=new_id(),
            user_id=user_id,
            method=SessionMethod.PASSWORD.value,
            family_hash=secrets.token_bytes(32),
            refresh_hash=secrets.token_bytes(32),
            created_at=self.now,
            # From today on: in what this tells, the time is long past.
            expires_at=datetime.now(UTC) + timedelta(days=SESSION_DAYS),
        )

    def portal(self, name: str, clients: Sequence[UUID]) -> UUID:
        """It has no event: nobody follows portals."""
        portal_id = new_id()
        self._put("portal", id=portal_id, name=name, name_key=folded(name), created_at=self.now)
        for user_id in clients:
            self._put("portal_client", portal_id=portal_id, user_id=user_id, added_at=self.now)
        return portal_id

    def room(self, name: str, creator: UUID, others: Sequence[UUID], portal: UUID | None = None) -> Room:
        room = Room(new_id(), [creator, *others])
        self._put(
            "room",
            id=room.id,
            name=name,
            name_key=folded(name),
            created_by=creator,
            created_at=self.now,
            portal_id=portal,
        )
        self._tell(EventKind.ROOM_CREATED, room_id=room.id, user_id=creator)
        for user_id, participant_id in zip(room.people, new_ids(len(room.people)), strict=True):
            self._put(
                "participant",
                room_id=room.id,
                user_id=user_id,
                id=participant_id,
                added_at=self.now,
                added_by=None if user_id == creator else creator,
                joined_sequence=0,
            )
            self._tell(EventKind.PARTICIPANT_ADDED, room_id=room.id, user_id=user_id)
        return room

    def say(self, room: Room, author: UUID, body: str, *, answers: int | None = None) -> Row:
        """A new message; `answers`: the sequence of another one. Its row is good until the next `write`."""
        room.last += 1
        row = self._put(
            "message",
            room_id=room.id,
            sequence=room.last,
            id=new_id(),
            author_id=author,
            body=body,
            source=MessageSource.APP.value,
            created_at=self.now,
            edited_at=None,
            deleted_at=None,
            in_reply_to=answers,
        )
        self._tell(EventKind.MESSAGE_ADDED, **_place(row))
        return row

    def edit(self, message: Row, body: str) -> None:
        message |= {"body": body, "edited_at": self.now}
        self._tell(EventKind.MESSAGE_UPDATED, **_place(message))

    def erase(self, message: Row) -> None:
        message |= {"body": None, "deleted_at": self.now}
        self._tell(EventKind.MESSAGE_DELETED, **_place(message))

    def read(self, room: Room, user_id: UUID, up_to: int | None = None) -> None:
        """Move somebody's mark forward, by default to the newest message. It has no event of its own."""
        sequence = room.last if up_to is None else up_to
        if sequence > room.marks.get(user_id, 0):
            room.marks[user_id] = sequence
            self._put("read_mark", room_id=room.id, user_id=user_id, sequence=sequence, read_at=self.now)

    def archive(self, room: Room) -> None:
        self.write()
        self._connection.execute(
            "UPDATE room SET archived_at = %s WHERE workspace_id = %s AND id = %s",
            [self.now, self.workspace_id, room.id],
        )
        self._tell(EventKind.ROOM_UPDATED, room_id=room.id)

    def write(self) -> None:
        """Copy what waits."""
        for table, rows in self._rows.items():
            if rows:
                _copy(self._connection, table, rows)
                rows.clear()

    def analyze(self) -> None:
        """Statistics of what was written so far: without them the foreign key of answers reads whole rooms."""
        self._connection.execute("ANALYZE message")

    def _put(self, table: str, **row: Any) -> Row:
        row["workspace_id"] = self.workspace_id
        self._rows[table].append(row)
        return row

    def _tell(
        self,
        kind: EventKind,
        *,
        room_id: UUID | None = None,
        sequence: int | None = None,
        user_id: UUID | None = None,
    ) -> None:
        self._position += 1
        self._put(
            "event",
            position=self._position,
            stamp=int.from_bytes(secrets.token_bytes(8), "big", signed=True),
            kind=kind.value,
            occurred_at=self.now,
            room_id=room_id,
            sequence=sequence,
            user_id=user_id,
        )


def hashed(password: str) -> str:
    return run(hash_password(password))


def _place(message: Row) -> Row:
    return {"room_id": message["room_id"], "sequence": message["sequence"], "user_id": message["author_id"]}


def _copy(connection: psycopg.Connection, table: str, rows: list[Row]) -> None:
    """All rows have the same columns; what they leave out has its default."""
    names = list(rows[0])
    target = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(target) as copy:
        for row in rows:
            copy.write_row(list(row.values()))
