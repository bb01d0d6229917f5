"""Messages of a room, in the gapless order that everyone sees."""

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from models.column import belongs_to, bigint, one_of, string, timestamp
from models.participant import takes_part
from models.statement import Statement, columns, integer, integers, moment, scalar, table, text, uuid, uuids


class MessageSource(StrEnum):
    APP = "APP"
    EMAIL = "EMAIL"


class Message(SQLModel, table=True):
    __tablename__ = "message"
    __table_args__ = (
        # A room's history in both directions; with the time, also the room's last activity, from the index alone.
        sa.PrimaryKeyConstraint("workspace_id", "room_id", "sequence", postgresql_include=["created_at"]),
        # node(id:), mutations by id.
        sa.UniqueConstraint("workspace_id", "id", name="message_id"),
        # A repeated send finds the first message. Its front also answers whether somebody has written in a room.
        sa.UniqueConstraint("workspace_id", "room_id", "author_id", "idempotency_key", name="message_idempotency_key"),
        belongs_to("room", "room_id"),
        belongs_to("user", "author_id"),
        belongs_to("message", "room_id", "in_reply_to"),
        one_of("source", MessageSource),
        sa.CheckConstraint("deleted_at IS NULL OR body IS NULL", name="deleted_is_wiped"),
        # Unread counts and the first unread message, from the index alone.
        sa.Index(
            "message_unread",
            "workspace_id",
            "room_id",
            "sequence",
            postgresql_include=["author_id"],
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
    )

    workspace_id: UUID
    room_id: UUID
    sequence: int = bigint()
    id: UUID
    author_id: UUID
    body: str | None = string()
    source: str = string()
    created_at: datetime = timestamp()
    edited_at: datetime | None = timestamp()
    deleted_at: datetime | None = timestamp()
    # The sequence of a message of the same room.
    in_reply_to: int | None = bigint()
    idempotency_key: str | None = string()


class MessageRow(NamedTuple):
    room_id: UUID
    sequence: int
    id: UUID
    author_id: UUID
    body: str | None
    source: str
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    in_reply_to: int | None
    idempotency_key: str | None


messages = table(Message)
of_workspace = messages.c.workspace_id == uuid("workspace_id")
of_room = sa.and_(of_workspace, messages.c.room_id == uuid("room_id"))
shown = columns(MessageRow, messages)

insert_message = Statement(
    sa.insert(messages)
    .values(
        workspace_id=uuid("workspace_id"),
        room_id=uuid("room_id"),
        sequence=integer("sequence"),
        id=uuid("id"),
        author_id=uuid("viewer_id"),
        body=text("body"),
        source=text("source"),
        # Clocks may step back; the order of a room's times must not.
        created_at=sa.func.greatest(sa.func.clock_timestamp(), moment("not_before")),
        in_reply_to=integer("in_reply_to"),
        idempotency_key=text("idempotency_key"),
    )
    .returning(*shown),
    MessageRow,
)

edit_message = Statement(
    sa.update(messages)
    .where(of_room, messages.c.sequence == integer("at_sequence"))
    .values(body=text("new_body"), edited_at=sa.func.clock_timestamp())
    .returning(*shown),
    MessageRow,
)

erase_message = Statement(
    sa.update(messages)
    .where(of_room, messages.c.sequence == integer("at_sequence"))
    .values(body=sa.null(), deleted_at=sa.func.clock_timestamp())
    .returning(*shown),
    MessageRow,
)

message_by_key = Statement(
    sa.select(*shown).where(
        of_room,
        messages.c.author_id == uuid("viewer_id"),
        messages.c.idempotency_key == text("idempotency_key"),
    ),
    MessageRow,
)


class Last(NamedTuple):
    sequence: int
    created_at: datetime


last_of_room = Statement(
    sa.select(messages.c.sequence, messages.c.created_at).where(of_room).order_by(messages.c.sequence.desc()).limit(1),
    Last,
)

sequence_by_id: Statement[int] = Statement(
    sa.select(messages.c.sequence).where(of_room, messages.c.id == uuid("id")), scalar
)

# How many bytes of texts one statement gives where nothing else is asked for.
MOST_BYTES = 16 * 1024 * 1024


def _within_bytes(found: sa.Select[Any]) -> sa.Select[Any]:
    """The same rows, without the texts of those that are past `most_bytes` of texts: no answer is larger than that,
    whatever is asked for. The length of a text that is stored apart is known without reading it."""
    rows = found.subquery("found")
    so_far = sa.func.sum(sa.func.coalesce(sa.func.octet_length(rows.c.body), 0)).over(rows=(None, 0))
    measured = sa.select(rows, so_far.label("so_far")).subquery("measured")
    most = sa.bindparam("most_bytes", MOST_BYTES, type_=sa.BigInteger())
    body = sa.case((measured.c.so_far <= most, measured.c.body))
    return sa.select(*(body if name == "body" else measured.c[name] for name in MessageRow._fields))


# node(id:) and mutations: only to who is in the room.
messages_by_id = Statement(
    _within_bytes(
        sa.select(*shown).where(
            of_workspace,
            messages.c.id == sa.any_(uuids("ids")),
            takes_part(messages.c.workspace_id, messages.c.room_id),
        )
    ),
    MessageRow,
)

_wanted = (
    sa.func.unnest(uuids("room_ids"), integers("sequences"))
    .table_valued(sa.column("room_id", sa.Uuid()), sa.column("sequence", sa.BigInteger()), name="wanted")
    .render_derived()
)
messages_by_sequence = Statement(
    _within_bytes(
        sa.select(*shown).select_from(
            _wanted.join(
                messages,
                sa.and_(
                    of_workspace,
                    messages.c.room_id == _wanted.c.room_id,
                    messages.c.sequence == _wanted.c.sequence,
                ),
            )
        )
    ),
    MessageRow,
)


@cache
def messages_pages(*, backward: bool) -> Statement[MessageRow]:
    """A page of each of several rooms in one statement: sequences above `after` and below `before`."""
    room = (
        sa.func.unnest(uuids("room_ids")).table_valued(sa.column("room_id", sa.Uuid()), name="wanted").render_derived()
    )
    page = (
        sa.select(*shown)
        .where(
            of_workspace,
            messages.c.room_id == room.c.room_id,
            messages.c.sequence > integer("after"),
            messages.c.sequence < integer("before"),
        )
        .order_by(messages.c.sequence.desc() if backward else messages.c.sequence)
        .limit(integer("limit"))
        .lateral("page")
    )
    found = sa.select(*(page.c[name] for name in MessageRow._fields)).select_from(room.join(page, sa.true()))
    return Statement(_within_bytes(found), MessageRow)


def has_written(user_id: object, room_id: object) -> sa.ColumnElement[bool]:
    """Whether somebody is the author of a message of that room; a deleted one counts."""
    written = messages.alias("written")
    # Said aloud: two levels down, a table of the outermost query would else be taken for one of this FROM's own.
    return (
        sa.exists()
        .where(
            written.c.workspace_id == uuid("workspace_id"),
            written.c.room_id == room_id,
            written.c.author_id == user_id,
        )
        .correlate_except(written)
    )
