"""Portals, links, mails, issuers and the audit log

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ADDED_TO_ONLY = [
    """
    CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'insufficient_privilege';
    END
    $$
    """,
    "CREATE TRIGGER audit_refuses_changes BEFORE UPDATE OR DELETE ON audit "
    "FOR EACH ROW EXECUTE FUNCTION audit_is_only_added_to()",
    "CREATE TRIGGER audit_refuses_truncation BEFORE TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_added_to()",
    "ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_refuses_changes",
    "ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_refuses_truncation",
]


def upgrade() -> None:
    op.create_table(
        "link_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("purpose IN ('INVITATION', 'SIGN_IN', 'RESET')", name="purpose_known"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("link_request_by_due_time", "link_request", ["due_at"], unique=False)
    op.create_table(
        "smtp_outage",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "audit",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "occurred_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.Column("portal_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("by IN ('USER', 'ISSUER', 'STRANGER', 'OPERATOR', 'SYSTEM')", name="by_known"),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id"),
    )
    for statement in _ADDED_TO_ONLY:
        op.execute(statement)
    op.create_table(
        "issuer",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("jwks_url", sa.Text(), nullable=True),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(jwks_url IS NULL) <> (public_key IS NULL)", name="one_source_of_keys"),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        sa.UniqueConstraint("issuer", name="issuer_name"),
    )
    op.create_table(
        "portal",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id"),
    )
    op.create_index("portal_by_name", "portal", ["workspace_id", "name_key", "id"], unique=False)
    op.create_table(
        "identity",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("issuer_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "issuer_id"],
            ["issuer.workspace_id", "issuer.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["user.workspace_id", "user.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "issuer_id", "subject"),
    )
    op.create_index("identity_by_user", "identity", ["workspace_id", "user_id"], unique=False)
    op.create_table(
        "link",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("purpose IN ('INVITATION', 'SIGN_IN', 'RESET')", name="purpose_known"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "created_by"],
            ["user.workspace_id", "user.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["user.workspace_id", "user.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id"),
    )
    op.create_index("link_by_expiry", "link", ["expires_at"], unique=False)
    op.create_index("link_by_user", "link", ["workspace_id", "user_id", "purpose"], unique=False)
    op.create_table(
        "portal_client",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "portal_id"],
            ["portal.workspace_id", "portal.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["user.workspace_id", "user.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "portal_id", "user_id"),
    )
    op.create_index("portal_client_by_user", "portal_client", ["workspace_id", "user_id", "portal_id"], unique=False)
    op.create_table(
        "mail",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'WAITING'"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("queued_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt_ends_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unknown_attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("put_off_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('INVITATION', 'SIGN_IN', 'RESET')", name="kind_known"),
        sa.CheckConstraint("status IN ('WAITING', 'SENT', 'CANCELLED', 'FAILED')", name="status_known"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "link_id"],
            ["link.workspace_id", "link.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["user.workspace_id", "user.id"],
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id"),
    )
    op.create_index(
        "mail_by_due_time", "mail", ["due_at"], unique=False, postgresql_where=sa.text("status = 'WAITING'")
    )
    op.create_index("mail_by_end", "mail", ["ended_at"], unique=False, postgresql_where=sa.text("status <> 'WAITING'"))
    op.create_index("mail_by_link", "mail", ["workspace_id", "link_id"], unique=False)
    op.create_index("mail_by_user", "mail", ["workspace_id", "user_id"], unique=False)
    op.add_column("room", sa.Column("portal_id", sa.Uuid(), nullable=True))
    op.create_index(
        "room_by_portal",
        "room",
        ["workspace_id", "portal_id"],
        unique=False,
        postgresql_where=sa.text("portal_id IS NOT NULL"),
    )
    op.create_foreign_key(None, "room", "portal", ["workspace_id", "portal_id"], ["workspace_id", "id"])
    # So far everybody has signed in with a password.
    op.add_column("session", sa.Column("method", sa.Text(), nullable=False, server_default="PASSWORD"))
    op.alter_column("session", "method", server_default=None)
    op.create_check_constraint(
        "method_known", "session", "method IN ('PASSWORD', 'LINK', 'INVITATION', 'RESET', 'ISSUER')"
    )
    op.add_column("session", sa.Column("family_hash", sa.LargeBinary(), nullable=True))
    op.add_column("session", sa.Column("former_hash", sa.LargeBinary(), nullable=True))
    op.add_column("session", sa.Column("successor", sa.LargeBinary(), nullable=True))
    op.add_column("session", sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("session", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("session", sa.Column("address", sa.Text(), nullable=True))
    op.add_column("session", sa.Column("user_agent", sa.Text(), nullable=True))
    op.alter_column("session", "refresh_hash", existing_type=sa.LargeBinary(), nullable=True)
    op.create_index("session_by_user", "session", ["workspace_id", "user_id"], unique=False)
    op.add_column("user", sa.Column("time_zone", sa.Text(), nullable=True))
    op.add_column("user", sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE \"user\" SET activated_at = created_at WHERE status = 'ACTIVE'")
    op.add_column("workspace", sa.Column("invitation_url", sa.Text(), nullable=True))
    op.add_column("workspace", sa.Column("sign_in_url", sa.Text(), nullable=True))
    op.add_column("workspace", sa.Column("reset_url", sa.Text(), nullable=True))
    op.add_column("workspace", sa.Column("room_url", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("workspace", "room_url")
    op.drop_column("workspace", "reset_url")
    op.drop_column("workspace", "sign_in_url")
    op.drop_column("workspace", "invitation_url")
    op.drop_column("user", "activated_at")
    op.drop_column("user", "time_zone")
    op.drop_index("session_by_user", table_name="session")
    op.execute("DELETE FROM session WHERE refresh_hash IS NULL")
    op.alter_column("session", "refresh_hash", existing_type=sa.LargeBinary(), nullable=False)
    op.drop_column("session", "user_agent")
    op.drop_column("session", "address")
    op.drop_column("session", "ended_at")
    op.drop_column("session", "refreshed_at")
    op.drop_column("session", "successor")
    op.drop_column("session", "former_hash")
    op.drop_column("session", "family_hash")
    op.drop_column("session", "method")
    op.drop_index("room_by_portal", table_name="room", postgresql_where=sa.text("portal_id IS NOT NULL"))
    op.drop_column("room", "portal_id")
    op.drop_index("mail_by_user", table_name="mail")
    op.drop_index("mail_by_link", table_name="mail")
    op.drop_index("mail_by_end", table_name="mail", postgresql_where=sa.text("status <> 'WAITING'"))
    op.drop_index("mail_by_due_time", table_name="mail", postgresql_where=sa.text("status = 'WAITING'"))
    op.drop_table("mail")
    op.drop_index("portal_client_by_user", table_name="portal_client")
    op.drop_table("portal_client")
    op.drop_index("link_by_user", table_name="link")
    op.drop_index("link_by_expiry", table_name="link")
    op.drop_table("link")
    op.drop_index("identity_by_user", table_name="identity")
    op.drop_table("identity")
    op.drop_index("portal_by_name", table_name="portal")
    op.drop_table("portal")
    op.drop_table("issuer")
    op.drop_table("audit")
    op.execute("DROP FUNCTION audit_is_only_added_to()")
    op.drop_table("smtp_outage")
    op.drop_index("link_request_by_due_time", table_name="link_request")
    op.drop_table("link_request")
