"""What the database has in the end, and whether it is whole: without that, nobody could have been given all of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import psycopg

from tests.stress.judge import Happened, Verdict

Key = tuple[UUID, str]  # of a send: the author and their key


class Kept(NamedTuple):
    """A message."""

    room_id: UUID
    sequence: int
    author_id: UUID
    key: str


class History(NamedTuple):
    """Of one workspace."""

    line: Sequence[Happened]
    messages: Sequence[Kept]

    @property
    def sent_at(self) -> dict[int, float]:
        """When each message was sent, by its event's position."""
        return {event.position: event.at for event in self.line if event.kind == "MESSAGE_ADDED"}


async def read(connection: psycopg.AsyncConnection, workspace_id: UUID) -> History:
    events = await connection.execute(
        "SELECT position, kind, extract(epoch FROM occurred_at)::float8, room_id, sequence, user_id, user_ids"
        " FROM event WHERE workspace_id = %s ORDER BY position",
        [workspace_id],
    )
    line = [Happened(*row)._replace(user_ids=row[-1] or ()) for row in await events.fetchall()]
    messages = await connection.execute(
        "SELECT room_id, sequence, author_id, idempotency_key FROM message WHERE workspace_id = %s"
        " ORDER BY room_id, sequence",
        [workspace_id],
    )
    return History(line, [Kept(*row) for row in await messages.fetchall()])


async def untold(connection: psycopg.AsyncConnection) -> int:
    """How many read marks no event tells of yet."""
    [count] = await (await connection.execute("SELECT count(*) FROM untold")).fetchone() or [0]
    return int(count)


def examine(history: History, answered: Mapping[Key, tuple[UUID, int]], verdict: Verdict) -> None:
    """Whether the line and the rooms have no gaps, and hold what senders were told. `answered`: by the send, its room
    and sequence."""
    positions = [event.position for event in history.line]
    if positions != list(range(1, len(positions) + 1)):
        verdict.lost.append("the line has gaps")
    sequences: dict[UUID, list[int]] = {}
    for message in history.messages:
        sequences.setdefault(message.room_id, []).append(message.sequence)
    for room_id, found in sequences.items():
        if found != list(range(1, len(found) + 1)):
            verdict.lost.append(f"room {room_id} has gaps")
    told = Counter((event.room_id, event.sequence) for event in history.line if event.kind == "MESSAGE_ADDED")
    for message in history.messages:
        times = told.pop((message.room_id, message.sequence), 0)
        if times != 1:
            (verdict.repeated if times else verdict.lost).append(f"message {message.sequence}: {times} events")
    verdict.leaked += [f"message {sequence}: an event, and no message" for _, sequence in told]
    kept = {(message.author_id, message.key): (message.room_id, message.sequence) for message in history.messages}
    if len(kept) != len(history.messages):
        verdict.repeated.append("a send has made two messages")
    for key, place in answered.items():
        if kept.get(key) != place:
            verdict.lost.append(f"send {key[1]}: answered with {place[1]}, and kept as {kept.get(key)}")
