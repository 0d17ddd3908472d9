"""The worth of layers and structures; analyses from before have none."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("layers") as layers:
        layers.add_column(sa.Column("worth", sa.Double(), nullable=True))
        layers.add_column(sa.Column("worth_interval", JSON, nullable=True))
        layers.add_column(sa.Column("worth_ratio", sa.Double(), nullable=True))
    with op.batch_alter_table("structures") as structures:
        structures.add_column(sa.Column("worth", sa.Double(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("structures") as structures:
        structures.drop_column("worth")
    with op.batch_alter_table("layers") as layers:
        for name in ("worth_ratio", "worth_interval", "worth"):
            layers.drop_column(name)
