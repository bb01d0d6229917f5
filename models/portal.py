"""Portals: where a firm's clients are. Only internal users ever see one."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from models.column import belongs_to, string, timestamp
from models.statement import table


class Portal(SQLModel, table=True):
    __tablename__ = "portal"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        # Query.portals, in the order of names.
        sa.Index("portal_by_name", "workspace_id", "name_key", "id"),
    )

    workspace_id: UUID
    id: UUID
    name: str = string()
    name_key: str = string()
    created_at: datetime = timestamp(now=True)


class PortalClient(SQLModel, table=True):
    """That a client belongs to a portal. Several portals can have the same client."""

    __tablename__ = "portal_client"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "portal_id", "user_id"),
        belongs_to("portal", "portal_id"),
        belongs_to("user", "user_id"),
        # User.portals.
        sa.Index("portal_client_by_user", "workspace_id", "user_id", "portal_id"),
    )

    workspace_id: UUID
    portal_id: UUID
    user_id: UUID
    added_at: datetime = timestamp(now=True)


class PortalRow(NamedTuple):
    id: UUID
    name: str
    name_key: str
    created_at: datetime


portals = table(Portal)
portal_clients = table(PortalClient)
