"""What one more channel of a layer promises, and where to widen first; older analyses have none."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("layers") as layers:
        layers.add_column(sa.Column("promise", sa.Double(), nullable=True))
        layers.add_column(sa.Column("promise_interval", JSON, nullable=True))
        layers.add_column(sa.Column("widen_rank", INTEGER, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("layers") as layers:
        for name in ("widen_rank", "promise_interval", "promise"):
            layers.drop_column(name)
