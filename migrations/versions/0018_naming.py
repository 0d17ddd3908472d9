"""Names of jobs; tags and metadata of uploads and jobs; the names of uploaded files."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
TEXT = sa.String(200)
UPLOADS, JOBS = ("models", "datasets"), ("analyses", "trials")


def upgrade() -> None:
    for table in (*UPLOADS, *JOBS):
        column = sa.Column("filename" if table in UPLOADS else "name", TEXT, nullable=True)
        with op.batch_alter_table(table) as rows:
            rows.add_column(column)
            rows.add_column(sa.Column("tags", JSON, nullable=True))
            rows.add_column(sa.Column("metadata", JSON, nullable=True))
        op.execute(f"UPDATE {table} SET tags = '[]', metadata = '{{}}'")  # noqa: S608 - no input
        if table in UPLOADS:
            op.execute(f"UPDATE {table} SET filename = name")  # noqa: S608
        with op.batch_alter_table(table) as rows:
            if table in UPLOADS:
                rows.alter_column("filename", existing_type=TEXT, nullable=False)
            rows.alter_column("tags", existing_type=JSON, nullable=False)
            rows.alter_column("metadata", existing_type=JSON, nullable=False)


def downgrade() -> None:
    for table in (*UPLOADS, *JOBS):
        with op.batch_alter_table(table) as rows:
            rows.drop_column("metadata")
            rows.drop_column("tags")
            rows.drop_column("filename" if table in UPLOADS else "name")
