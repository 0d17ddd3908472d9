"""Scores on the first samples and of built networks; builds that failed; edits that miss a part."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("analyses") as analyses:
        analyses.add_column(sa.Column("first_look", JSON, nullable=True))
    with op.batch_alter_table("plans") as plans:
        plans.add_column(sa.Column("evaluation", JSON, nullable=True))
        plans.add_column(sa.Column("error", sa.Text(), nullable=True))
        plans.add_column(sa.Column("incomplete", JSON, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("plans") as plans:
        for name in ("incomplete", "error", "evaluation"):
            plans.drop_column(name)
    with op.batch_alter_table("analyses") as analyses:
        analyses.drop_column("first_look")
