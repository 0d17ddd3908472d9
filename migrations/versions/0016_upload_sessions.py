"""Upload sessions and the parts that have arrived."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "upload_sessions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("size", INTEGER, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("part_size", INTEGER, nullable=False),
        sa.Column("declared", JSON, nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("file", sa.String(64), nullable=True),
        sa.Column("upload_id", sa.String(32), nullable=True),
        sa.Column("upload_is_new", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["file"], ["files.sha256"], name=op.f("fk_upload_sessions_file_files")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_sessions")),
        sa.UniqueConstraint(
            "owner", "idempotency_key", name=op.f("uq_upload_sessions_owner_idempotency_key")
        ),
    )
    for column in ("owner", "expires_at", "file"):
        op.create_index(op.f(f"ix_upload_sessions_{column}"), "upload_sessions", [column])
    op.create_table(
        "upload_parts",
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("size", INTEGER, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("place", sa.String(128), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["upload_sessions.id"],
            name=op.f("fk_upload_parts_session_id_upload_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "number", name=op.f("pk_upload_parts")),
    )


def downgrade() -> None:
    op.drop_table("upload_parts")
    op.drop_table("upload_sessions")
