"""People: internal users of a firm, and its clients."""

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from models.column import flag, one_of, string, timestamp
from models.statement import Statement, boolean, columns, integer, nothing, scalar, table, text, uuid, uuids
from models.workspace import workspaces


class UserKind(StrEnum):
    INTERNAL = "INTERNAL"
    CLIENT = "CLIENT"


class UserStatus(StrEnum):
    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    DEACTIVATED = "DEACTIVATED"


class User(SQLModel, table=True):
    __tablename__ = "user"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        one_of("kind", UserKind),
        one_of("status", UserStatus),
        # One account per address and workspace. The address stands first so that it also serves sign-in, which may
        # not know the workspace yet.
        sa.UniqueConstraint("email_key", "workspace_id", name="user_email"),
        # Query.users, in the order of names.
        sa.Index("user_by_name", "workspace_id", "name_key", "id"),
    )

    workspace_id: UUID
    id: UUID
    kind: str = string()
    status: str = string()
    name: str = string()
    name_key: str = string()
    email: str = string()
    email_key: str = string()
    password_hash: str | None = string()
    avatar_url: str | None = string()
    email_notifications: bool = flag(True)
    # A name of the IANA database; None until somebody says one.
    time_zone: str | None = string()
    created_at: datetime = timestamp(now=True)
    # When the account last became ACTIVE: nobody gets mail about what was before.
    activated_at: datetime | None = timestamp()


class UserRow(NamedTuple):
    id: UUID
    kind: str
    status: str
    name: str
    name_key: str
    email: str
    avatar_url: str | None
    email_notifications: bool
    time_zone: str | None


class Account(NamedTuple):
    """What a sign-in needs of a user. The hash goes nowhere else."""

    workspace_id: UUID
    id: UUID
    status: str
    password_hash: str | None


users = table(User)
of_workspace = users.c.workspace_id == uuid("workspace_id")

# Two who make one account at once: the second waits here for the first, and then inserts nothing.
insert_user: Statement[UUID] = Statement(
    postgresql.insert(users)
    .values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        kind=text("kind"),
        status=text("status"),
        name=text("name"),
        name_key=text("name_key"),
        email=text("email"),
        email_key=text("email_key"),
        password_hash=text("password_hash"),
        avatar_url=text("avatar_url"),
        email_notifications=sa.true(),
        activated_at=sa.case((text("status") == UserStatus.ACTIVE.value, sa.func.clock_timestamp())),
    )
    .on_conflict_do_nothing(constraint="user_email")
    .returning(users.c.id),
    scalar,
)

users_by_id = Statement(
    sa.select(*columns(UserRow, users)).where(of_workspace, users.c.id == sa.any_(uuids("ids"))), UserRow
)

this_user = sa.and_(of_workspace, users.c.id == uuid("user_id"))

# Against whoever adds them, signs them in or changes them: FOR NO KEY UPDATE is the weakest that their FOR SHARE waits
# for. Foreign keys pass it.
lock_user = Statement(sa.select(*columns(UserRow, users)).where(this_user).with_for_update(key_share=True), UserRow)
lock_user_by_email = Statement(
    sa.select(*columns(UserRow, users))
    .where(of_workspace, users.c.email_key == text("email_key"))
    .with_for_update(key_share=True),
    UserRow,
)

set_name = Statement(sa.update(users).where(this_user).values(name=text("name"), name_key=text("name_key")), nothing)
set_time_zone = Statement(sa.update(users).where(this_user).values(time_zone=text("time_zone")), nothing)
password_hash_of = Statement(sa.select(users.c.password_hash).where(this_user), scalar)
set_password = Statement(sa.update(users).where(this_user).values(password_hash=text("password_hash")), nothing)
# None of their password stays where nobody has said one.
accept = Statement(
    sa.update(users)
    .where(this_user)
    .values(
        status=UserStatus.ACTIVE.value,
        activated_at=sa.func.clock_timestamp(),
        password_hash=text("password_hash"),
    ),
    nothing,
)
delete_user = Statement(sa.delete(users).where(this_user), nothing)

# Locked FOR SHARE, in the order of ids: whoever is being added can't be deactivated meanwhile.
lock_users_being_added = Statement(
    sa.select(users.c.id)
    .where(of_workspace, users.c.id == sa.any_(uuids("ids")))
    .order_by(users.c.id)
    .with_for_update(read=True),
    scalar,
)

# A workspace is named by its slug or by its name; without one, every account of the address is a candidate.
accounts_by_email = Statement(
    sa.select(users.c.workspace_id, users.c.id, users.c.status, users.c.password_hash)
    .select_from(users.join(workspaces, workspaces.c.id == users.c.workspace_id))
    .where(
        users.c.email_key == text("email_key"),
        sa.or_(
            text("workspace").is_(None),
            workspaces.c.slug == sa.func.lower(text("workspace")),
            sa.func.lower(workspaces.c.name) == sa.func.lower(text("workspace")),
        ),
    )
    .order_by(users.c.workspace_id),
    Account,
)

set_email_notifications = Statement(
    sa.update(users)
    .where(of_workspace, users.c.id == uuid("user_id"), users.c.email_notifications != boolean("enabled"))
    .values(email_notifications=boolean("enabled"))
    .returning(users.c.id),
    scalar,
)


@cache
def users_page(*, query: bool, kind: bool, status: bool, after: bool) -> Statement[UserRow]:
    """Users of a workspace by name. The conditions are spelled out so that a page starts inside its index."""
    wanted = [of_workspace]
    if query:
        needle = text("query")
        wanted.append(
            sa.or_(sa.func.strpos(users.c.name_key, needle) > 0, sa.func.strpos(users.c.email_key, needle) > 0)
        )
    if kind:
        wanted.append(users.c.kind == text("kind"))
    if status:
        wanted.append(users.c.status == text("status"))
    if after:
        start = users.alias("start")
        name = sa.select(start.c.name_key).where(
            start.c.workspace_id == uuid("workspace_id"), start.c.id == uuid("after")
        )
        wanted.append(sa.tuple_(users.c.name_key, users.c.id) > sa.tuple_(name.scalar_subquery(), uuid("after")))
    page = sa.select(*columns(UserRow, users)).where(*wanted)
    return Statement(page.order_by(users.c.name_key, users.c.id).limit(integer("limit")), UserRow)


@cache
def users_count(*, query: bool, kind: bool, status: bool) -> Statement[int]:
    core = users_page(query=query, kind=kind, status=status, after=False).core
    assert isinstance(core, sa.Select)
    listed = core.order_by(None).limit(None).subquery()
    return Statement(sa.select(sa.func.count()).select_from(listed), scalar)
