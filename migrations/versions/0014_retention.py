"""When uploads came last and expire, and how long the things of an owner are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
UPLOADS = ("models", "datasets")


def upgrade() -> None:
    for table in UPLOADS:
        with op.batch_alter_table(table) as uploads:
            uploads.add_column(sa.Column("uploaded_at", TIME, nullable=True))
            uploads.add_column(sa.Column("expires_at", TIME, nullable=True))
            uploads.drop_constraint(f"fk_{table}_sha256_files", type_="foreignkey")
        op.execute(f"UPDATE {table} SET uploaded_at = created_at")  # noqa: S608 - no input
        with op.batch_alter_table(table) as uploads:
            uploads.alter_column("uploaded_at", existing_type=TIME, nullable=False)
    op.create_table(
        "retention",
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("uploads", sa.Double(), nullable=True),
        sa.Column("results", sa.Double(), nullable=True),
        sa.Column("artifacts", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("owner", name="pk_retention"),
    )


def downgrade() -> None:
    op.drop_table("retention")
    for table in UPLOADS:
        # The schema of before has a file for each upload: one that fails to be read.
        op.execute(
            "INSERT INTO files (sha256, size, created_at) "  # noqa: S608 - no input
            f"SELECT sha256, max(size), max(created_at) FROM {table} WHERE state = 'expired' "
            "AND sha256 NOT IN (SELECT sha256 FROM files) GROUP BY sha256"
        )
        op.execute(f"UPDATE {table} SET state = 'rejected' WHERE state = 'expired'")  # noqa: S608
        with op.batch_alter_table(table) as uploads:
            uploads.create_foreign_key(f"fk_{table}_sha256_files", "files", ["sha256"], ["sha256"])
            uploads.drop_column("expires_at")
            uploads.drop_column("uploaded_at")
