"""The audit log: who did what, when and from where. Rows are added and read; the database refuses everything else."""

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Field, SQLModel

from models.column import one_of, string, timestamp
from models.statement import Statement, integer, moment, nothing, table, text, uuid, uuids
from models.user import users


class Action(StrEnum):
    """What is recorded. Text in the database, without a CHECK: old entries outlive their names."""

    WORKSPACE_CREATED = "WORKSPACE_CREATED"
    WORKSPACE_UPDATED = "WORKSPACE_UPDATED"
    USER_CREATED = "USER_CREATED"
    USER_INVITED = "USER_INVITED"
    USER_UPDATED = "USER_UPDATED"
    USER_DEACTIVATED = "USER_DEACTIVATED"
    USER_ACTIVATED = "USER_ACTIVATED"
    INVITATION_CANCELLED = "INVITATION_CANCELLED"
    INVITATION_ACCEPTED = "INVITATION_ACCEPTED"
    SIGNED_IN = "SIGNED_IN"
    SIGN_IN_REFUSED = "SIGN_IN_REFUSED"
    SIGNED_OUT = "SIGNED_OUT"
    SIGN_IN_ENDED = "SIGN_IN_ENDED"
    REFRESH_TOKEN_REPLAYED = "REFRESH_TOKEN_REPLAYED"  # noqa: S105
    LINK_REQUESTED = "LINK_REQUESTED"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105
    PORTAL_CREATED = "PORTAL_CREATED"
    PORTAL_RENAMED = "PORTAL_RENAMED"
    CLIENT_ADDED = "CLIENT_ADDED"
    CLIENT_REMOVED = "CLIENT_REMOVED"
    ISSUER_ADDED = "ISSUER_ADDED"
    ISSUER_UPDATED = "ISSUER_UPDATED"
    ISSUER_REMOVED = "ISSUER_REMOVED"
    IDENTITY_JOINED = "IDENTITY_JOINED"
    ROOM_CREATED = "ROOM_CREATED"
    ROOM_RENAMED = "ROOM_RENAMED"
    ROOM_ARCHIVED = "ROOM_ARCHIVED"
    ROOM_UNARCHIVED = "ROOM_UNARCHIVED"
    ROOM_LINKED = "ROOM_LINKED"
    PARTICIPANT_ADDED = "PARTICIPANT_ADDED"
    PARTICIPANT_REMOVED = "PARTICIPANT_REMOVED"
    PARTICIPANT_LEFT = "PARTICIPANT_LEFT"


class Actor(StrEnum):
    """What kind of doer: without a user, `actor_id` is empty."""

    USER = "USER"
    ISSUER = "ISSUER"  # a firm's identity provider, by a token
    STRANGER = "STRANGER"  # nobody has shown who they are
    OPERATOR = "OPERATOR"  # the command line
    SYSTEM = "SYSTEM"


class AuditEntry(SQLModel, table=True):
    __tablename__ = "audit"
    __table_args__ = (
        # Ids are made in the order of time: reading on and reading back.
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        one_of("by", Actor),
        # No other foreign keys: what is recorded outlives what it is about.
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
    )

    workspace_id: UUID
    id: UUID
    occurred_at: datetime = timestamp(now=True)
    action: str = string()
    # Who: a user, or nobody for what the command line or the system did, or a stranger.
    actor_id: UUID | None
    by: str = string()
    # Whom and what it was about.
    user_id: UUID | None
    room_id: UUID | None
    portal_id: UUID | None
    session_id: UUID | None
    # From where.
    address: str | None = string()
    user_agent: str | None = string()
    details: dict[str, Any] = Field(sa_type=postgresql.JSONB)


audit = table(AuditEntry)

REFUSE = """
CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'insufficient_privilege';
END
$$
"""
# ALWAYS: also where session_replication_role is set, which switches ordinary triggers off.
GUARDS = [
    "CREATE TRIGGER audit_refuses_changes BEFORE UPDATE OR DELETE ON audit "
    "FOR EACH ROW EXECUTE FUNCTION audit_is_only_added_to()",
    "CREATE TRIGGER audit_refuses_truncation BEFORE TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_added_to()",
    "ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_refuses_changes",
    "ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_refuses_truncation",
]
for _statement in (REFUSE, *GUARDS):
    sa.event.listen(audit, "after_create", sa.DDL(_statement))  # type: ignore[no-untyped-call]

_new = (
    sa.func.unnest(
        uuids("ids"),
        sa.bindparam("actions", type_=sa.ARRAY(sa.Text())),
        uuids("actor_ids"),
        sa.bindparam("bys", type_=sa.ARRAY(sa.Text())),
        uuids("user_ids"),
        uuids("room_ids"),
        uuids("portal_ids"),
        uuids("session_ids"),
        sa.bindparam("addresses", type_=sa.ARRAY(sa.Text())),
        sa.bindparam("user_agents", type_=sa.ARRAY(sa.Text())),
        # Texts, cast one by one: the driver knows no array of documents without being told.
        sa.bindparam("details", type_=sa.ARRAY(sa.Text())),
    )
    .table_valued(
        sa.column("id", sa.Uuid()),
        sa.column("action", sa.Text()),
        sa.column("actor_id", sa.Uuid()),
        sa.column("by", sa.Text()),
        sa.column("user_id", sa.Uuid()),
        sa.column("room_id", sa.Uuid()),
        sa.column("portal_id", sa.Uuid()),
        sa.column("session_id", sa.Uuid()),
        sa.column("address", sa.Text()),
        sa.column("user_agent", sa.Text()),
        sa.column("details", sa.Text()),
        name="new",
    )
    .render_derived()
)
COLUMNS = (
    "id",
    "action",
    "actor_id",
    "by",
    "user_id",
    "room_id",
    "portal_id",
    "session_id",
    "address",
    "user_agent",
)
# The name of each column's parameter, which holds a list.
AUDIT_PARAMETERS = {
    "id": "ids",
    "action": "actions",
    "actor_id": "actor_ids",
    "by": "bys",
    "user_id": "user_ids",
    "room_id": "room_ids",
    "portal_id": "portal_ids",
    "session_id": "session_ids",
    "address": "addresses",
    "user_agent": "user_agents",
    "details": "details",
}
insert_audit = Statement(
    sa.insert(audit).from_select(
        ["workspace_id", *COLUMNS, "details"],
        sa.select(uuid("workspace_id"), *(_new.c[name] for name in COLUMNS), sa.cast(_new.c.details, postgresql.JSONB)),
        include_defaults=False,
    ),
    nothing,
)


class AuditRow(NamedTuple):
    """An entry, with the addresses of whom it names, as they are now."""

    id: UUID
    occurred_at: datetime
    action: str
    actor_id: UUID | None
    by: str
    user_id: UUID | None
    room_id: UUID | None
    portal_id: UUID | None
    session_id: UUID | None
    address: str | None
    user_agent: str | None
    details: dict[str, Any]
    actor_email: str | None
    user_email: str | None


def _email(user_id: sa.ColumnElement[UUID | None], name: str) -> sa.Label[str | None]:
    """Looked up for each entry that is given, and for no other."""
    person = users.alias(name)
    return (
        sa.select(person.c.email)
        .where(person.c.workspace_id == audit.c.workspace_id, person.c.id == user_id)
        .correlate(audit)
        .scalar_subquery()
        .label(f"{name}_email")
    )


_entry = [audit.c[name] for name in AuditRow._fields[:-2]] + [
    _email(audit.c.actor_id, "actor"),
    _email(audit.c.user_id, "subject"),
]


@cache
def audit_page(*, since: bool, until: bool, action: bool, user: bool, room: bool, before: bool) -> Statement[AuditRow]:
    """Entries, newest first, from the primary key. A time is also a bound of ids (`since_id`, `until_id`), so that a
    page of long ago starts inside the index."""
    wanted: list[sa.ColumnElement[bool]] = [audit.c.workspace_id == uuid("workspace_id")]
    if since:
        wanted += [audit.c.id >= uuid("since_id"), audit.c.occurred_at >= moment("since")]
    if until:
        wanted += [audit.c.id < uuid("until_id"), audit.c.occurred_at < moment("until")]
    if action:
        wanted.append(audit.c.action == text("action"))
    if user:
        wanted.append(sa.or_(audit.c.actor_id == uuid("user_id"), audit.c.user_id == uuid("user_id")))
    if room:
        wanted.append(audit.c.room_id == uuid("room_id"))
    if before:
        wanted.append(audit.c.id < uuid("before"))
    return Statement(sa.select(*_entry).where(*wanted).order_by(audit.c.id.desc()).limit(integer("limit")), AuditRow)
