"""The outbox: every mail that Parley sends is a row here first. It holds no text: a mail is rendered from the truth at
the last moment before it is sent."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from models.column import belongs_to, bigint, one_of, string, timestamp
from models.statement import Statement, nothing, table, text, uuid


class MailKind(StrEnum):
    INVITATION = "INVITATION"
    SIGN_IN = "SIGN_IN"
    RESET = "RESET"


class MailStatus(StrEnum):
    WAITING = "WAITING"
    SENT = "SENT"
    CANCELLED = "CANCELLED"  # what it was about is gone
    FAILED = "FAILED"


class Mail(SQLModel, table=True):
    __tablename__ = "mail"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        one_of("kind", MailKind),
        one_of("status", MailStatus),
        belongs_to("user", "user_id"),
        belongs_to("link", "link_id"),
        # The sweep of what is due, over all workspaces, oldest first.
        sa.Index("mail_by_due_time", "due_at", postgresql_where=sa.text("status = 'WAITING'")),
        sa.Index("mail_by_user", "workspace_id", "user_id"),
        sa.Index("mail_by_link", "workspace_id", "link_id"),
        # The sweep of what has ended long ago.
        sa.Index("mail_by_end", "ended_at", postgresql_where=sa.text("status <> 'WAITING'")),
    )

    workspace_id: UUID
    id: UUID
    user_id: UUID
    kind: str = string()
    # What it carries, if it carries one.
    link_id: UUID | None
    # Fixed when the row is made: a repeat of what may have arrived has the same.
    message_id: str = string()
    status: str = string(sa_column_kwargs={"server_default": sa.text("'WAITING'")})
    created_at: datetime = timestamp(now=True)
    # The lease: put off before each attempt, so that a worker that died leaves the row to the sweep.
    due_at: datetime = timestamp(now=True)
    # A sweep has queued it, and no other does until then.
    queued_until: datetime | None = timestamp()
    # An attempt that has begun and of which no end is recorded is unknown.
    attempt_ends_by: datetime | None = timestamp()
    attempts: int = bigint(sa_column_kwargs={"server_default": sa.text("0")})
    unknown_attempts: int = bigint(sa_column_kwargs={"server_default": sa.text("0")})
    # When the server first put it off (4xx).
    put_off_since: datetime | None = timestamp()
    ended_at: datetime | None = timestamp()
    # Why the last attempt failed: a reply code and our own words, never the server's text.
    failure: str | None = string()


class SmtpOutage(SQLModel, table=True):
    """One row while no connection to the SMTP server can be made: it is the server's fault, and backs off all mails."""

    __tablename__ = "smtp_outage"
    __table_args__ = (sa.CheckConstraint("id = 1", name="one_row"),)

    id: int = bigint(primary_key=True, sa_column_kwargs={"autoincrement": False})
    failures: int = bigint()
    until: datetime = timestamp()


mails = table(Mail)
smtp_outages = table(SmtpOutage)

insert_mail = Statement(
    sa.insert(mails).values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        user_id=uuid("user_id"),
        kind=text("kind"),
        link_id=uuid("link_id"),
        message_id=text("message_id"),
    ),
    nothing,
)

delete_mails_of_user = Statement(
    sa.delete(mails).where(mails.c.workspace_id == uuid("workspace_id"), mails.c.user_id == uuid("user_id")), nothing
)
