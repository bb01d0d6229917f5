"""Tell read marks, and find who came and went

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BEFORE = (
    "kind IN ('WORKSPACE_CREATED', 'ROOM_CREATED', 'ROOM_UPDATED', 'ROOM_MANAGER_CHANGED', 'ROOM_MUTED', "
    "'PARTICIPANT_ADDED', 'PARTICIPANT_REMOVED', 'MESSAGE_ADDED', 'MESSAGE_UPDATED', 'MESSAGE_DELETED', "
    "'USER_CREATED', 'USER_UPDATED', 'SESSION_ENDED')"
)
_SINCE = _BEFORE.replace("'MESSAGE_DELETED',", "'MESSAGE_DELETED', 'ROOM_READ', 'RECEIPTS_UPDATED',")
_MEMBERSHIP = "kind IN ('PARTICIPANT_ADDED', 'PARTICIPANT_REMOVED')"


def upgrade() -> None:
    op.add_column("event", sa.Column("user_ids", sa.ARRAY(sa.Uuid()), nullable=True))
    op.drop_constraint("kind_known", "event", type_="check")
    op.create_check_constraint("kind_known", "event", _SINCE)
    op.create_index("event_of_membership", "event", ["workspace_id", "position"], postgresql_where=sa.text(_MEMBERSHIP))
    op.create_table(
        "untold",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "room_id", "user_id", "sequence"),
    )


def downgrade() -> None:
    op.drop_table("untold")
    op.drop_index("event_of_membership", table_name="event")
    op.execute("DELETE FROM event WHERE kind IN ('ROOM_READ', 'RECEIPTS_UPDATED')")
    op.drop_constraint("kind_known", "event", type_="check")
    op.create_check_constraint("kind_known", "event", _BEFORE)
    op.drop_column("event", "user_ids")
