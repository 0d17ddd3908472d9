"""The numbers behind verdicts; saliencies without a first or a second order."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ORDERS = ("first_order", "second_order")


def upgrade() -> None:
    with op.batch_alter_table("layers") as layers:
        layers.add_column(sa.Column("score_interval", JSON, nullable=True))
        layers.add_column(sa.Column("because", sa.Text(), nullable=True))
        layers.add_column(sa.Column("samples_needed", INTEGER, nullable=True))
    with op.batch_alter_table("structures") as structures:
        for name in ORDERS:
            structures.alter_column(name, existing_type=sa.Double(), nullable=True)


def downgrade() -> None:
    table = sa.table("structures", *map(sa.column, ORDERS))
    for name in ORDERS:
        op.execute(table.update().where(table.c[name].is_(None)).values({name: 0.0}))
    with op.batch_alter_table("structures") as structures:
        for name in ORDERS:
            structures.alter_column(name, existing_type=sa.Double(), nullable=False)
    with op.batch_alter_table("layers") as layers:
        for name in ("samples_needed", "because", "score_interval"):
            layers.drop_column(name)
