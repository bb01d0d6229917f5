"""A workspace is one firm, and the outermost wall."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Field, SQLModel

from models.column import string, timestamp
from models.statement import Statement, nothing, scalar, table, text, uuid


class Workspace(SQLModel, table=True):
    __tablename__ = "workspace"
    # The slug is what its people type to name it at sign-in.
    __table_args__ = (sa.UniqueConstraint("slug", name="workspace_slug"),)

    id: UUID = Field(primary_key=True)
    name: str = string()
    slug: str = string()
    created_at: datetime = timestamp(now=True)
    # Where links in mails lead, with "{token}" in it (of a room: "{room}"); None is the built-in page.
    invitation_url: str | None = string()
    sign_in_url: str | None = string()
    reset_url: str | None = string()
    room_url: str | None = string()


class WorkspaceRow(NamedTuple):
    id: UUID
    name: str
    slug: str


workspaces = table(Workspace)

insert_workspace: Statement[UUID] = Statement(
    postgresql.insert(workspaces)
    .values(id=uuid("id"), name=text("name"), slug=text("slug"))
    .on_conflict_do_nothing(constraint="workspace_slug")
    .returning(workspaces.c.id),
    scalar,
)
URLS = ("invitation_url", "sign_in_url", "reset_url", "room_url")
set_urls = Statement(
    sa.update(workspaces).where(workspaces.c.id == uuid("workspace_id")).values({name: text(name) for name in URLS}),
    nothing,
)
urls = Statement(
    sa.select(*(workspaces.c[name] for name in URLS)).where(workspaces.c.id == uuid("workspace_id")),
    lambda *found: dict(zip(URLS, found, strict=True)),
)
workspace_by_slug = Statement(
    sa.select(workspaces.c.id, workspaces.c.name, workspaces.c.slug).where(workspaces.c.slug == text("slug")),
    WorkspaceRow,
)
