"""Sign-ins. A session row is a sign-in that is alive; the tokens only name it."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.column import belongs_to, one_of, string, timestamp
from models.statement import Statement, columns, integer, nothing, scalar, table, text, uuid
from models.user import UserRow, UserStatus, users


class SessionMethod(StrEnum):
    """How somebody showed who they are."""

    PASSWORD = "PASSWORD"  # noqa: S105
    LINK = "LINK"
    INVITATION = "INVITATION"
    RESET = "RESET"
    ISSUER = "ISSUER"


class Session(SQLModel, table=True):
    __tablename__ = "session"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        belongs_to("user", "user_id"),
        one_of("method", SessionMethod),
        # A user's sign-ins: to list them, and to end them all.
        sa.Index("session_by_user", "workspace_id", "user_id"),
        # The sweep of what has expired, over all workspaces and in one.
        sa.Index("session_by_expiry", "expires_at", "workspace_id"),
    )

    workspace_id: UUID
    id: UUID
    user_id: UUID
    method: str = string()
    # SHA-256 of what every refresh token of this sign-in begins with, and of the latest one: a stolen copy of the table
    # signs nobody in. None for a sign-in that a firm's own issuer renews.
    family_hash: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    refresh_hash: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    # Of the token before; and the latest token, which only the one before opens: for a client that lost the answer.
    former_hash: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    successor: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    refreshed_at: datetime | None = timestamp()
    created_at: datetime = timestamp(now=True)
    expires_at: datetime = timestamp()
    # Only of a sign-in whose token somebody else made: it stays until the token has expired, to bar it.
    ended_at: datetime | None = timestamp()
    # From where it began.
    address: str | None = string()
    user_agent: str | None = string()


class SessionRow(NamedTuple):
    """What renewing a sign-in needs of it."""

    user_id: UUID
    family_hash: bytes | None
    refresh_hash: bytes | None
    former_hash: bytes | None
    successor: bytes | None
    just_refreshed: bool | None
    alive: bool


class SignInRow(NamedTuple):
    """A sign-in as its user sees it."""

    id: UUID
    method: str
    created_at: datetime
    refreshed_at: datetime | None
    expires_at: datetime
    address: str | None
    user_agent: str | None


sessions = table(Session)
of_workspace = sessions.c.workspace_id == uuid("workspace_id")
now = sa.func.clock_timestamp()
# The same throughout a statement, and so fit for an index: clock_timestamp() is not.
statement_now = sa.func.statement_timestamp()
lifetime = sa.cast(sa.func.concat(integer("seconds"), " seconds"), sa.Interval())


def alive(session_id: sa.ColumnElement[UUID], user_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """That a sign-in is alive and its user ACTIVE, as a condition on both tables."""
    return sa.and_(
        of_workspace,
        sessions.c.id == session_id,
        sessions.c.user_id == user_id,
        sessions.c.expires_at > now,
        sessions.c.ended_at.is_(None),
        users.c.workspace_id == sessions.c.workspace_id,
        users.c.id == sessions.c.user_id,
        users.c.status == UserStatus.ACTIVE.value,
    )


def signed_in(session_id: sa.ColumnElement[UUID], user_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """The same as a query expression."""
    return sa.exists().where(alive(session_id, user_id))


is_signed_in = Statement(sa.select(signed_in(uuid("session_id"), uuid("viewer_id"))), scalar)

signed_in_user = Statement(
    sa.select(*columns(UserRow, users)).where(alive(uuid("session_id"), uuid("user_id"))),
    UserRow,
)

# FOR SHARE on the user: no sign-in slips past a deactivation that is under way.
lock_active_user = Statement(
    sa.select(*columns(UserRow, users))
    .where(
        users.c.workspace_id == uuid("workspace_id"),
        users.c.id == uuid("user_id"),
        users.c.status == UserStatus.ACTIVE.value,
    )
    .with_for_update(read=True),
    UserRow,
)

insert_session = Statement(
    sa.insert(sessions).values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        user_id=uuid("user_id"),
        method=text("method"),
        family_hash=sa.bindparam("family_hash", type_=sa.LargeBinary()),
        refresh_hash=sa.bindparam("refresh_hash", type_=sa.LargeBinary()),
        expires_at=now + lifetime,
        address=text("address"),
        user_agent=text("user_agent"),
    ),
    nothing,
)

lock_session = Statement(
    sa.select(
        sessions.c.user_id,
        sessions.c.family_hash,
        sessions.c.refresh_hash,
        sessions.c.former_hash,
        sessions.c.successor,
        sessions.c.refreshed_at > now - sa.cast(sa.func.concat(integer("grace"), " seconds"), sa.Interval()),
        sessions.c.expires_at > now,
    )
    .where(of_workspace, sessions.c.id == uuid("session_id"))
    .with_for_update(key_share=True),
    SessionRow,
)

session_user = Statement(sa.select(sessions.c.user_id).where(of_workspace, sessions.c.id == uuid("session_id")), scalar)

rotate_session = Statement(
    sa.update(sessions)
    .where(of_workspace, sessions.c.id == uuid("session_id"))
    .values(
        former_hash=sessions.c.refresh_hash,
        refresh_hash=sa.bindparam("refresh_hash", type_=sa.LargeBinary()),
        successor=sa.bindparam("successor", type_=sa.LargeBinary()),
        refreshed_at=now,
        expires_at=now + lifetime,
    ),
    nothing,
)

_of_issuer = sessions.c.method == sa.literal_column(f"'{SessionMethod.ISSUER}'", sa.Text())

end_session = Statement(
    sa.delete(sessions)
    .where(of_workspace, sessions.c.id == uuid("session_id"), ~_of_issuer)
    .returning(sessions.c.user_id),
    scalar,
)

# Its token is good until it expires, and would begin it anew.
bar_session = Statement(
    sa.update(sessions)
    .where(of_workspace, sessions.c.id == uuid("session_id"), _of_issuer, sessions.c.ended_at.is_(None))
    .values(ended_at=now)
    .returning(sessions.c.user_id),
    scalar,
)

# Where an issuer made the token, the row stays and bars it until it has expired.
_theirs = sa.and_(
    of_workspace,
    sessions.c.user_id == uuid("user_id"),
    sa.or_(uuid("but").is_(None), sessions.c.id != uuid("but")),
)
_ended = sa.delete(sessions).where(_theirs, ~_of_issuer).returning(sessions.c.id).cte("ended")
_barred = (
    sa.update(sessions)
    .where(_theirs, _of_issuer, sessions.c.ended_at.is_(None))
    .values(ended_at=now)
    .returning(sessions.c.id)
    .cte("barred")
)
end_all_sessions: Statement[UUID] = Statement(sa.select(_ended.c.id).union_all(sa.select(_barred.c.id)), scalar)


class Expired(NamedTuple):
    session_id: UUID
    user_id: UUID
    was_alive: bool


# One workspace at a time, a bounded number of rows; who is being refreshed just now is skipped.
end_expired_sessions = Statement(
    sa.delete(sessions)
    .where(
        of_workspace,
        sessions.c.id.in_(
            sa.select(sessions.c.id)
            .where(of_workspace, sessions.c.expires_at <= statement_now)
            .order_by(sessions.c.expires_at)
            .limit(integer("limit"))
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        ),
    )
    .returning(sessions.c.id, sessions.c.user_id, sessions.c.ended_at.is_(None)),
    Expired,
)

workspaces_with_expired_sessions = Statement(
    sa.select(sessions.c.workspace_id).where(sessions.c.expires_at <= statement_now).distinct(), scalar
)

# A user's sign-ins that are alive, latest used first.
sign_ins = Statement(
    sa.select(*columns(SignInRow, sessions))
    .where(
        of_workspace,
        sessions.c.user_id == uuid("viewer_id"),
        sessions.c.expires_at > now,
        sessions.c.ended_at.is_(None),
    )
    .order_by(sa.func.coalesce(sessions.c.refreshed_at, sessions.c.created_at).desc(), sessions.c.id)
    .limit(integer("limit")),
    SignInRow,
)
