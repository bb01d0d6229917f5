"""Firms' own identity providers, and whom each has named. An issuer speaks for one workspace and for no other."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from models.column import belongs_to, string, timestamp
from models.statement import Statement, columns, nothing, scalar, table, text, uuid
from models.workspace import WorkspaceRow, workspaces


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
    # Whether the issuer has ever said that the address is theirs.
    verified: bool
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
of_workspace = issuers.c.workspace_id == uuid("workspace_id")

all_issuers = Statement(sa.select(*columns(IssuerRow, issuers)), IssuerRow)

issuers_of_workspace = Statement(
    sa.select(*columns(IssuerRow, issuers)).where(of_workspace).order_by(issuers.c.created_at, issuers.c.id), IssuerRow
)

issuer_by_name = Statement(sa.select(*columns(IssuerRow, issuers)).where(issuers.c.issuer == text("issuer")), IssuerRow)

# FOR SHARE: it is neither changed nor removed while somebody is let in by its word.
lock_issuer = Statement(
    sa.select(*columns(IssuerRow, issuers))
    .where(of_workspace, issuers.c.id == uuid("issuer_id"))
    .with_for_update(read=True),
    IssuerRow,
)

# Gives nothing where the issuer is there, whosever it is; who makes the same one just now is waited for.
insert_issuer = Statement(
    postgresql.insert(issuers)
    .values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        issuer=text("issuer"),
        audience=text("audience"),
        jwks_url=text("jwks_url"),
        public_key=text("public_key"),
    )
    .on_conflict_do_nothing(index_elements=[issuers.c.issuer])
    .returning(issuers.c.id),
    scalar,
)

update_issuer = Statement(
    sa.update(issuers)
    .where(
        of_workspace,
        issuers.c.issuer == text("issuer"),
        sa.tuple_(issuers.c.audience, issuers.c.jwks_url, issuers.c.public_key).is_distinct_from(
            sa.tuple_(text("audience"), text("jwks_url"), text("public_key"))
        ),
    )
    .values(audience=text("audience"), jwks_url=text("jwks_url"), public_key=text("public_key"))
    .returning(issuers.c.id),
    scalar,
)

lock_issuer_to_remove = Statement(
    sa.select(issuers.c.id).where(of_workspace, issuers.c.issuer == text("issuer")).with_for_update(), scalar
)
delete_identities = Statement(
    sa.delete(identities)
    .where(identities.c.workspace_id == uuid("workspace_id"), identities.c.issuer_id == uuid("issuer_id"))
    .returning(identities.c.user_id),
    scalar,
)
delete_issuer = Statement(sa.delete(issuers).where(of_workspace, issuers.c.id == uuid("issuer_id")), nothing)

# Two at the most: whoever asks wants to know whether there is one.
first_workspaces = Statement(
    sa.select(*columns(WorkspaceRow, workspaces)).order_by(workspaces.c.id).limit(2), WorkspaceRow
)
