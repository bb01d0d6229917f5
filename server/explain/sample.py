"""Whom and what the hot queries are asked about: the largest workspace, and in it what is hardest to answer."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

PAGE = 50


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    email_key: str
    rooms: int


@dataclass(frozen=True, slots=True)
class Sample:
    """`long`: the room with the most messages; `crowded`: the one with the most participants; `internal` and `client`:
    those in the most rooms; `behind`: whoever has most to read in the long room; `position`: the middle of the line;
    `portal`: the one with the most clients, `portal_ids`: a page of them, `linked`: the rooms of any."""

    workspace: str
    workspace_id: UUID
    users: int
    user_ids: list[UUID]
    long: UUID
    messages: int
    message_id: UUID
    crowded: UUID
    participants: int
    participant: tuple[Any, UUID]
    internal: Person
    client: Person
    behind: UUID
    session_id: UUID
    position: int
    rooms: list[UUID]
    last_sequences: list[int]
    room_cursor: tuple[Any, UUID]
    portal: UUID
    portal_ids: list[UUID]
    clients: int
    linked: int

    def __str__(self) -> str:
        return (
            f"Workspace {self.workspace}: {self.users:,} users; a room of {self.messages:,} messages, one of "
            f"{self.participants:,} participants; viewers with {self.internal.rooms:,} and {self.client.rooms:,} rooms"
        )

    @classmethod
    def of_largest(cls, connection: psycopg.Connection) -> "Sample | None":
        """None where nobody has written anything, or a kind of people is missing."""

        def first(query: str, *values: object) -> Any:
            return connection.execute(query.encode(), values).fetchone()

        def column(query: str, *values: object) -> list[Any]:
            return [value for (value,) in connection.execute(query.encode(), values)]

        found = first("SELECT workspace_id FROM message GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
        if found is None:
            return None
        (here,) = found
        long, messages = first(
            "SELECT room_id, max(sequence) FROM message WHERE workspace_id = %s GROUP BY 1 ORDER BY 2 DESC LIMIT 1",
            here,
        )
        crowded, participants = first(
            "SELECT room_id, count(*) FROM participant WHERE workspace_id = %s GROUP BY 1 ORDER BY 2 DESC LIMIT 1", here
        )
        people = {
            kind: first(
                'SELECT u.id, u.email_key, count(*) FROM "user" u JOIN participant p ON p.workspace_id = '
                "u.workspace_id AND p.user_id = u.id WHERE u.workspace_id = %s AND u.kind = %s "
                "GROUP BY u.id, u.email_key ORDER BY 3 DESC LIMIT 1",
                here,
                kind,
            )
            for kind in ("INTERNAL", "CLIENT")
        }
        if None in people.values():
            return None
        internal, client = (Person(*people[kind]) for kind in ("INTERNAL", "CLIENT"))
        # A firm without portals is asked for one that is not there.
        portal, clients = first(
            "SELECT portal_id, count(*) FROM portal_client WHERE workspace_id = %s GROUP BY 1 ORDER BY 2 DESC LIMIT 1",
            here,
        ) or (here, 0)
        rooms = connection.execute(
            "SELECT p.room_id, max(m.sequence) FROM participant p JOIN message m USING (workspace_id, room_id) "
            "WHERE p.workspace_id = %s AND p.user_id = %s GROUP BY 1 ORDER BY 2 DESC LIMIT %s",
            [here, internal.id, PAGE],
        ).fetchall()
        return cls(
            workspace=first("SELECT name FROM workspace WHERE id = %s", here)[0],
            workspace_id=here,
            users=first('SELECT count(*) FROM "user" WHERE workspace_id = %s', here)[0],
            user_ids=column('SELECT id FROM "user" WHERE workspace_id = %s ORDER BY id DESC LIMIT %s', here, PAGE),
            long=long,
            messages=messages,
            message_id=first(
                "SELECT id FROM message WHERE (workspace_id, room_id, sequence) = (%s, %s, %s)",
                here,
                long,
                messages // 2 + 1,
            )[0],
            crowded=crowded,
            participants=participants,
            participant=first(
                "SELECT added_at, id FROM participant WHERE workspace_id = %s AND room_id = %s ORDER BY 1, 2 OFFSET %s",
                here,
                crowded,
                participants // 2,
            ),
            internal=internal,
            client=client,
            behind=first(
                "SELECT user_id FROM participant p WHERE workspace_id = %s AND room_id = %s ORDER BY (SELECT "
                "coalesce(max(sequence), 0) FROM read_mark r WHERE (r.workspace_id, r.room_id, r.user_id) = "
                "(p.workspace_id, p.room_id, p.user_id)) LIMIT 1",
                here,
                long,
            )[0],
            # Whoever has no sign-in is looked up in vain, which asks the same index.
            session_id=next(
                iter(column("SELECT id FROM session WHERE workspace_id = %s AND user_id = %s", here, internal.id)),
                internal.id,
            ),
            position=first("SELECT max(position) / 2 + 1 FROM event WHERE workspace_id = %s", here)[0],
            rooms=[room_id for room_id, _ in rooms],
            last_sequences=[sequence for _, sequence in rooms],
            room_cursor=first(
                "SELECT max(created_at), room_id FROM message WHERE workspace_id = %s AND room_id = %s GROUP BY 2",
                here,
                rooms[-1][0],
            ),
            portal=portal,
            portal_ids=column(
                "SELECT id FROM portal WHERE workspace_id = %s ORDER BY name_key, id LIMIT %s", here, PAGE
            ),
            clients=clients,
            linked=first("SELECT count(*) FROM room WHERE workspace_id = %s AND portal_id IS NOT NULL", here)[0],
        )
