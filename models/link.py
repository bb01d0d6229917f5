"""Links that are sent by mail: what each is good for, and until when. The token itself is kept nowhere: it is derived
from the link's id with a key of the process (`resolvers/tokens.py`), so a copy of the table opens nothing."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.column import belongs_to, one_of, string, timestamp
from models.statement import table


class LinkPurpose(StrEnum):
    INVITATION = "INVITATION"
    SIGN_IN = "SIGN_IN"
    RESET = "RESET"


class Link(SQLModel, table=True):
    __tablename__ = "link"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        one_of("purpose", LinkPurpose),
        belongs_to("user", "user_id"),
        # All that a user has, to end them.
        sa.Index("link_by_user", "workspace_id", "user_id", "purpose"),
        # The sweep of what has expired long ago, over all workspaces.
        sa.Index("link_by_expiry", "expires_at"),
    )

    workspace_id: UUID
    id: UUID
    user_id: UUID
    purpose: str = string()
    created_at: datetime = timestamp(now=True)
    # Counted from when its mail is sent: an SMTP server that is down delays a link, and does not eat its time.
    expires_at: datetime = timestamp()
    # Used, cancelled, or replaced by a newer one.
    ended_at: datetime | None = timestamp()


class LinkRequest(SQLModel, table=True):
    """That somebody asked for a link to an address. Whether anybody has the address is looked up by a worker, later:
    so the answer, and its time, is the same for all. It names no workspace row, since there may be none."""

    __tablename__ = "link_request"
    __table_args__ = (
        one_of("purpose", LinkPurpose),
        # The sweep of what is due, oldest first.
        sa.Index("link_request_by_due_time", "due_at"),
    )

    id: UUID = Field(primary_key=True)
    purpose: str = string()
    email_key: str = string()
    # As it was typed: a name or a slug.
    workspace: str | None = string()
    # From where, for the audit log.
    address: str | None = string()
    user_agent: str | None = string()
    requested_at: datetime = timestamp(now=True)
    due_at: datetime = timestamp(now=True)


class LinkRow(NamedTuple):
    id: UUID
    user_id: UUID
    purpose: str
    expires_at: datetime
    ended_at: datetime | None


links = table(Link)
link_requests = table(LinkRequest)
