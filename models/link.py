"""Links that are sent by mail: what each is good for, and until when. The token itself is kept nowhere: it is derived
from the link's id with a key of the process (`resolvers/tokens.py`), so a copy of the table opens nothing."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Field, SQLModel

from models.column import belongs_to, one_of, string, timestamp
from models.statement import Statement, columns, integer, nothing, scalar, table, text, uuid


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
        belongs_to("user", "created_by"),
        # All that a user has, to end them.
        sa.Index("link_by_user", "workspace_id", "user_id", "purpose"),
        # The sweep of what has expired long ago, over all workspaces.
        sa.Index("link_by_expiry", "expires_at"),
    )

    workspace_id: UUID
    id: UUID
    user_id: UUID
    purpose: str = string()
    # Who invites. None: nobody of the workspace made it, or for oneself.
    created_by: UUID | None
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
    ended: bool
    expired: bool


class LinkRequestRow(NamedTuple):
    id: UUID
    purpose: str
    email_key: str
    workspace: str | None
    address: str | None
    user_agent: str | None


links = table(Link)
link_requests = table(LinkRequest)
of_workspace = links.c.workspace_id == uuid("workspace_id")
this_link = sa.and_(of_workspace, links.c.id == uuid("id"))
now = sa.func.clock_timestamp()

# A request that is answered twice makes one link.
insert_link: Statement[UUID] = Statement(
    postgresql.insert(links)
    .values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        user_id=uuid("user_id"),
        created_by=uuid("created_by"),
        purpose=text("purpose"),
        expires_at=now + sa.cast(sa.func.concat(integer("seconds"), " seconds"), sa.Interval()),
    )
    .on_conflict_do_nothing()
    .returning(links.c.id),
    scalar,
)

user_of_link = Statement(sa.select(links.c.user_id).where(this_link), scalar)

_link = sa.select(
    links.c.id, links.c.user_id, links.c.purpose, links.c.ended_at.is_not(None), links.c.expires_at <= now
).where(this_link)
link = Statement(_link, LinkRow)
lock_link = Statement(_link.with_for_update(key_share=True), LinkRow)

end_link = Statement(sa.update(links).where(this_link).values(ended_at=now), nothing)

# All that somebody has, of one purpose or of any.
end_links_of_user = Statement(
    sa.update(links)
    .where(
        of_workspace,
        links.c.user_id == uuid("user_id"),
        links.c.ended_at.is_(None),
        sa.or_(text("purpose").is_(None), links.c.purpose == text("purpose")),
    )
    .values(ended_at=now),
    nothing,
)

delete_links_of_user = Statement(sa.delete(links).where(of_workspace, links.c.user_id == uuid("user_id")), nothing)

insert_link_request = Statement(
    sa.insert(link_requests).values(
        id=uuid("id"),
        purpose=text("purpose"),
        email_key=text("email_key"),
        workspace=text("workspace"),
        address=text("address"),
        user_agent=text("user_agent"),
    ),
    nothing,
)

_due = (
    sa.select(link_requests.c.id)
    .where(link_requests.c.due_at <= sa.func.statement_timestamp())
    .order_by(link_requests.c.due_at)
    .limit(integer("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_leased = now + sa.literal_column("interval '1 minute'", sa.Interval())
lease_link_requests = Statement(
    sa.update(link_requests)
    .where(link_requests.c.id == _due.c.id)
    .values(due_at=_leased)
    .returning(link_requests.c.id),
    scalar,
)
link_request = Statement(
    sa.select(*columns(LinkRequestRow, link_requests)).where(link_requests.c.id == uuid("id")), LinkRequestRow
)
delete_link_request = Statement(sa.delete(link_requests).where(link_requests.c.id == uuid("id")), nothing)
