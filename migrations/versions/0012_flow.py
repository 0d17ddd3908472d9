"""Which layers a layer reads and which join it, and intervals of the sweep."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
COLUMNS = ("sweep_intervals", "inputs", "joins")


def upgrade() -> None:
    with op.batch_alter_table("layers") as layers:
        for name in COLUMNS:
            layers.add_column(sa.Column(name, JSON, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("layers") as layers:
        for name in COLUMNS:
            layers.drop_column(name)
