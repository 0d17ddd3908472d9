"""The expected gain of layers; analyses from before have none."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("layers") as layers:
        layers.add_column(sa.Column("expected_gain", JSON, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("layers") as layers:
        layers.drop_column("expected_gain")
