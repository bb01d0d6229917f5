"""Firms' own identity providers, and whom each has named. An issuer speaks for one workspace and for no other."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from models.column import belongs_to, string, timestamp
from models.statement import table


class Issuer(SQLModel, table=True):
    __tablename__ = "issuer"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        # A token names its issuer, and so finds the one workspace that it can speak for.
        sa.UniqueConstraint("issuer", name="issuer_name"),
        sa.CheckConstraint("(jwks_url IS NULL) <> (public_key IS NULL)", name="one_source_of_keys"),
    )

    workspace_id: UUID
    id: UUID
    issuer: str = string()
    audience: str = string()
    jwks_url: str | None = string()
    # PEM.
    public_key: str | None = string()
    created_at: datetime = timestamp(now=True)


class Identity(SQLModel, table=True):
    """Whom an issuer means by a subject."""

    __tablename__ = "identity"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "issuer_id", "subject"),
        belongs_to("issuer", "issuer_id"),
        belongs_to("user", "user_id"),
        sa.Index("identity_by_user", "workspace_id", "user_id"),
    )

    workspace_id: UUID
    issuer_id: UUID
    subject: str = string()
    user_id: UUID
    created_at: datetime = timestamp(now=True)


class IssuerRow(NamedTuple):
    workspace_id: UUID
    id: UUID
    issuer: str
    audience: str
    jwks_url: str | None
    public_key: str | None


issuers = table(Issuer)
identities = table(Identity)
