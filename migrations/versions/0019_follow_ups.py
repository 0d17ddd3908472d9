"""The analysis whose partial sums a follow-up uses."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("analyses") as analyses:
        analyses.add_column(sa.Column("source_id", sa.String(32), nullable=True))


def downgrade() -> None:
    op.execute(
        "UPDATE analyses SET state = 'cancelled' WHERE source_id IS NOT NULL AND state = 'reducing'"
    )
    op.execute("DELETE FROM artifacts WHERE name IN ('partial-sums.npz', 'rankings.npz')")
    with op.batch_alter_table("analyses") as analyses:
        analyses.drop_column("source_id")
