"""Whom a client may know of: themself, and the authors of messages that they can read now."""

import sqlalchemy as sa

from models.message import has_written
from models.participant import participants
from models.statement import Statement, columns, uuid, uuids
from models.user import UserRow, users

known_authors = Statement(
    sa.select(*columns(UserRow, users)).where(
        users.c.workspace_id == uuid("workspace_id"),
        users.c.id == sa.any_(uuids("ids")),
        sa.or_(
            users.c.id == uuid("viewer_id"),
            sa.exists().where(
                participants.c.workspace_id == uuid("workspace_id"),
                participants.c.user_id == uuid("viewer_id"),
                has_written(users.c.id, participants.c.room_id),
            ),
        ),
    ),
    UserRow,
)
