"""Lists of an owner, newest first, by an index in that order."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLES = ("models", "datasets", "analyses", "trials")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"ix_{table}_owner_created_at_id", table, ["owner", "created_at", "id"])
        op.drop_index(f"ix_{table}_owner", table)


def downgrade() -> None:
    for table in TABLES:
        op.create_index(f"ix_{table}_owner", table, ["owner"])
        op.drop_index(f"ix_{table}_owner_created_at_id", table)
