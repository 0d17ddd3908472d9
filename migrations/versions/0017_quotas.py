"""Limits of owners that are other than usual; an index that counts what an owner did lately."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LIMITS = ("analyses", "trials", "bytes", "uploads_per_day", "requests_per_second")


def upgrade() -> None:
    op.create_table(
        "quotas",
        sa.Column("owner", sa.String(128), nullable=False),
        *(sa.Column(name, INTEGER, nullable=True) for name in LIMITS),
        sa.PrimaryKeyConstraint("owner", name="pk_quotas"),
    )
    op.drop_index("ix_audit_owner", "audit")
    op.create_index("ix_audit_owner_at", "audit", ["owner", "at"])


def downgrade() -> None:
    op.drop_index("ix_audit_owner_at", "audit")
    op.create_index("ix_audit_owner", "audit", ["owner"])
    op.drop_table("quotas")
