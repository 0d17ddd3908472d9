"""Whose work is next: what each owner has had of each queue, and since when a row waits."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LEASED = ("models", "datasets", "analyses", "shards", "trials", "trial_runs")


def upgrade() -> None:
    op.create_table(
        "queues",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("virtual_time", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_queues"),
    )
    op.create_table(
        "shares",
        sa.Column("queue", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("finish", sa.Double(), nullable=False),
        sa.Column("owed", sa.Double(), nullable=False),
        sa.Column("seconds", JSON, nullable=False),
        sa.PrimaryKeyConstraint("queue", "owner", name="pk_shares"),
    )
    for table in LEASED:
        op.execute(sa.text(f"UPDATE {table} SET sent_at = 0 WHERE sent_at IS NULL"))  # noqa: S608
        with op.batch_alter_table(table) as leased:
            leased.alter_column(
                "sent_at", new_column_name="waits_from", existing_type=sa.Double(), nullable=False
            )
            leased.drop_column("sends")


def downgrade() -> None:
    for table in LEASED:
        with op.batch_alter_table(table) as leased:
            leased.alter_column(
                "waits_from", new_column_name="sent_at", existing_type=sa.Double(), nullable=True
            )
            leased.add_column(sa.Column("sends", INTEGER, nullable=False, server_default="0"))
        with op.batch_alter_table(table) as leased:
            leased.alter_column("sends", existing_type=INTEGER, server_default=None)
    op.drop_table("shares")
    op.drop_table("queues")
