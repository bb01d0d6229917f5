"""Lay the tables

Revision: 0001, the first
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('WORKSPACE_CREATED', 'ROOM_CREATED', 'ROOM_UPDATED', 'ROOM_MANAGER_CHANGED', "
            "'ROOM_MUTED', 'PARTICIPANT_ADDED', 'PARTICIPANT_REMOVED', 'MESSAGE_ADDED', "
            "'MESSAGE_UPDATED', 'MESSAGE_DELETED', 'USER_CREATED', 'USER_UPDATED', "
            "'SESSION_ENDED')",
            name="kind_known",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "position"),
    )
    op.create_table(
        "workspace",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug", name="workspace_slug"),
    )
    op.create_table(
        "line",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id"),
    )
    op.create_table(
        "user",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("avatar_url", sa.Text(), nullable=True),
        sa.Column("email_notifications", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("kind IN ('INTERNAL', 'CLIENT')", name="kind_known"),
        sa.CheckConstraint("status IN ('INVITED', 'ACTIVE', 'DEACTIVATED')", name="status_known"),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        sa.UniqueConstraint("email_key", "workspace_id", name="user_email"),
    )
    op.create_index("user_by_name", "user", ["workspace_id", "name_key", "id"], unique=False)
    op.create_table(
        "work",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("kind IN ('TELL_MANAGER_CHANGED')", name="kind_known"),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id"),
    )
    op.create_index("work_by_due_time", "work", ["due_at"], unique=False)
    op.create_table(
        "room",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "created_by"],
            ["user.workspace_id", "user.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        sa.UniqueConstraint("workspace_id", "created_by", "idempotency_key", name="room_idempotency_key"),
    )
    op.create_table(
        "session",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("refresh_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["user.workspace_id", "user.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id"),
    )
    op.create_index("session_by_expiry", "session", ["expires_at", "workspace_id"], unique=False)
    op.create_table(
        "message",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("in_reply_to", sa.BigInteger(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.CheckConstraint("source IN ('APP', 'EMAIL')", name="source_known"),
        sa.CheckConstraint("deleted_at IS NULL OR body IS NULL", name="deleted_is_wiped"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "author_id"],
            ["user.workspace_id", "user.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "room_id", "in_reply_to"],
            ["message.workspace_id", "message.room_id", "message.sequence"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "room_id"],
            ["room.workspace_id", "room.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "room_id", "sequence", postgresql_include=["created_at"]),
        sa.UniqueConstraint("workspace_id", "id", name="message_id"),
        sa.UniqueConstraint("workspace_id", "room_id", "author_id", "idempotency_key", name="message_idempotency_key"),
    )
    op.create_index(
        "message_unread",
        "message",
        ["workspace_id", "room_id", "sequence"],
        unique=False,
        postgresql_include=["author_id"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "participant",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "added_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("added_by", sa.Uuid(), nullable=True),
        sa.Column("joined_sequence", sa.BigInteger(), nullable=False),
        sa.Column("muted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "added_by"],
            ["user.workspace_id", "user.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "room_id"],
            ["room.workspace_id", "room.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["user.workspace_id", "user.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "room_id", "user_id"),
        sa.UniqueConstraint("workspace_id", "id", name="participant_id"),
    )
    op.create_index("participant_by_time", "participant", ["workspace_id", "room_id", "added_at", "id"], unique=False)
    op.create_index("participant_by_user", "participant", ["workspace_id", "user_id", "room_id"], unique=False)
    op.create_table(
        "read_mark",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "room_id"],
            ["room.workspace_id", "room.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["user.workspace_id", "user.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "room_id", "user_id", "sequence", postgresql_include=["read_at"]),
    )


def downgrade() -> None:
    op.drop_table("read_mark")
    op.drop_index("participant_by_user", table_name="participant")
    op.drop_index("participant_by_time", table_name="participant")
    op.drop_table("participant")
    op.drop_index(
        "message_unread",
        table_name="message",
        postgresql_include=["author_id"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_table("message")
    op.drop_index("session_by_expiry", table_name="session")
    op.drop_table("session")
    op.drop_table("room")
    op.drop_index("work_by_due_time", table_name="work")
    op.drop_table("work")
    op.drop_index("user_by_name", table_name="user")
    op.drop_table("user")
    op.drop_table("line")
    op.drop_table("workspace")
    op.drop_table("event")
