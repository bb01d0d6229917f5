"""Ending and reviving accounts: how one stands, and what ends or changes with it."""

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from models.issuer import identities
from models.participant import participants
from models.room import managed_by, rooms
from models.statement import Statement, integer, nothing, scalar, table, text, uuid
from models.user import UserKind, UserStatus, users
from models.work import Work, WorkKind
from models.workspace import workspaces


class Account(NamedTuple):
    """`accepted`: whether it was ever in use; `others`: whether another of the firm's own people is ACTIVE."""

    id: UUID
    kind: str
    status: str
    accepted: bool
    others: bool


of_workspace = users.c.workspace_id == uuid("workspace_id")
this_user = sa.and_(of_workspace, users.c.id == uuid("user_id"))

# That somebody of a firm stays is a rule that spans its users, so the workspace is locked before the user. A kind never
# changes; a status may until the user is locked, so it is not asked for here.
lock_workspace_of_internal = Statement(
    sa.select(workspaces.c.id)
    .select_from(users.join(workspaces, workspaces.c.id == users.c.workspace_id))
    .where(this_user, users.c.kind == UserKind.INTERNAL.value)
    .with_for_update(key_share=True, of=workspaces),
    scalar,
)

_other = users.alias("other")
account = Statement(
    sa.select(
        users.c.id,
        users.c.kind,
        users.c.status,
        sa.or_(
            users.c.password_hash.is_not(None),
            users.c.activated_at.is_not(None),
            sa.exists().where(identities.c.workspace_id == users.c.workspace_id, identities.c.user_id == users.c.id),
        ),
        sa.exists().where(
            _other.c.workspace_id == users.c.workspace_id,
            _other.c.id != users.c.id,
            _other.c.kind == UserKind.INTERNAL.value,
            _other.c.status == UserStatus.ACTIVE.value,
        ),
    ).where(this_user),
    Account,
)

set_status = Statement(
    sa.update(users)
    .where(this_user)
    .values(
        status=text("status"),
        activated_at=sa.case(
            (text("status") == UserStatus.ACTIVE.value, sa.func.clock_timestamp()), else_=users.c.activated_at
        ),
    ),
    nothing,
)

# All rooms that the user manages, by one statement; the ids of a few of the rows. The ids are not in the order of time,
# which PostgreSQL makes only since 18: nobody reads these rows by their ids.
_works = table(Work)
_managed = sa.select(
    uuid("workspace_id"),
    sa.func.gen_random_uuid(type_=sa.Uuid()),
    sa.literal_column(f"'{WorkKind.TELL_MANAGER_CHANGED}'", sa.Text()),
    rooms.c.id,
).where(
    participants.c.workspace_id == uuid("workspace_id"),
    participants.c.user_id == uuid("user_id"),
    rooms.c.workspace_id == participants.c.workspace_id,
    rooms.c.id == participants.c.room_id,
    managed_by() == uuid("user_id"),
)
_owed = (
    sa.insert(_works)
    .from_select(["workspace_id", "id", "kind", "room_id"], _managed, include_defaults=False)
    .returning(_works.c.id)
    .cte("owed")
)
owe_telling_who_manages = Statement(sa.select(_owed.c.id).limit(integer("limit")), scalar)
