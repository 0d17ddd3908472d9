"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", INTEGER, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_files")),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_keys_digest")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "datasets",
        sa.Column("transform", JSON, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", INTEGER, nullable=False),
        sa.Column("inspection", JSON, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("leased_by", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("attempt", INTEGER, nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("sends", INTEGER, nullable=False),
        sa.Column("error", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["sha256"], ["files.sha256"], name=op.f("fk_datasets_sha256_files")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
    )
    op.create_index(op.f("ix_datasets_owner"), "datasets", ["owner"])
    op.create_index(op.f("ix_datasets_sha256"), "datasets", ["sha256"])
    op.create_index(op.f("ix_datasets_state"), "datasets", ["state"])

    op.create_table(
        "models",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", INTEGER, nullable=False),
        sa.Column("inspection", JSON, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("leased_by", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("attempt", INTEGER, nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("sends", INTEGER, nullable=False),
        sa.Column("error", JSON, nullable=True),
        sa.ForeignKeyConstraint(["sha256"], ["files.sha256"], name=op.f("fk_models_sha256_files")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
    )
    op.create_index(op.f("ix_models_owner"), "models", ["owner"])
    op.create_index(op.f("ix_models_sha256"), "models", ["sha256"])
    op.create_index(op.f("ix_models_state"), "models", ["state"])

    op.create_table(
        "analyses",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("model_id", sa.String(length=32), nullable=False),
        sa.Column("dataset_id", sa.String(length=32), nullable=False),
        sa.Column("request", JSON, nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("shards", INTEGER, nullable=False),
        sa.Column("remaining", INTEGER, nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("summary", JSON, nullable=True),
        sa.Column("provenance", JSON, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("leased_by", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("attempt", INTEGER, nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("sends", INTEGER, nullable=False),
        sa.Column("error", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_analyses_dataset_id_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_analyses_model_id_models")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analyses")),
        sa.UniqueConstraint(
            "owner", "idempotency_key", name=op.f("uq_analyses_owner_idempotency_key")
        ),
    )
    op.create_index(op.f("ix_analyses_dataset_id"), "analyses", ["dataset_id"])
    op.create_index(op.f("ix_analyses_model_id"), "analyses", ["model_id"])
    op.create_index(op.f("ix_analyses_owner"), "analyses", ["owner"])
    op.create_index(op.f("ix_analyses_state"), "analyses", ["state"])

    op.create_table(
        "events",
        sa.Column("id", INTEGER, autoincrement=True, nullable=False),
        sa.Column("analysis_id", sa.String(length=32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"],
            ["analyses.id"],
            name=op.f("fk_events_analysis_id_analyses"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_analysis_id"), "events", ["analysis_id"])

    op.create_table(
        "layers",
        sa.Column("analysis_id", sa.String(length=32), nullable=False),
        sa.Column("index", INTEGER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("op", sa.String(length=64), nullable=False),
        sa.Column("group", INTEGER, nullable=True),
        sa.Column("width", INTEGER, nullable=False),
        sa.Column("parameters", INTEGER, nullable=False),
        sa.Column("macs", INTEGER, nullable=False),
        sa.Column("pruning_ratio", sa.Double(), nullable=True),
        sa.Column("interval", JSON, nullable=True),
        sa.Column("p_value", sa.Double(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sweep", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"],
            ["analyses.id"],
            name=op.f("fk_layers_analysis_id_analyses"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("analysis_id", "index", name=op.f("pk_layers")),
    )
    op.create_table(
        "plans",
        sa.Column("analysis_id", sa.String(length=32), nullable=False),
        sa.Column("index", INTEGER, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("layers", JSON, nullable=False),
        sa.Column("parameters", JSON, nullable=False),
        sa.Column("macs", JSON, nullable=False),
        sa.Column("artifact", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["analysis_id"],
            ["analyses.id"],
            name=op.f("fk_plans_analysis_id_analyses"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("analysis_id", "index", name=op.f("pk_plans")),
    )
    op.create_table(
        "shards",
        sa.Column("analysis_id", sa.String(length=32), nullable=False),
        sa.Column("index", INTEGER, nullable=False),
        sa.Column("start", INTEGER, nullable=False),
        sa.Column("stop", INTEGER, nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("leased_by", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("attempt", INTEGER, nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("sends", INTEGER, nullable=False),
        sa.Column("error", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["analysis_id"],
            ["analyses.id"],
            name=op.f("fk_shards_analysis_id_analyses"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("analysis_id", "index", name=op.f("pk_shards")),
    )
    op.create_index(op.f("ix_shards_state"), "shards", ["state"])
    op.create_index(op.f("ix_shards_state_lease_until"), "shards", ["state", "lease_until"])

    op.create_table(
        "structures",
        sa.Column("analysis_id", sa.String(length=32), nullable=False),
        sa.Column("index", INTEGER, nullable=False),
        sa.Column("group", INTEGER, nullable=False),
        sa.Column("channel", INTEGER, nullable=False),
        sa.Column("saliency", sa.Double(), nullable=False),
        sa.Column("first_order", sa.Double(), nullable=False),
        sa.Column("second_order", sa.Double(), nullable=False),
        sa.Column("rank", INTEGER, nullable=False),
        sa.Column("members", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"],
            ["analyses.id"],
            name=op.f("fk_structures_analysis_id_analyses"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("analysis_id", "index", name=op.f("pk_structures")),
    )


def downgrade() -> None:
    op.drop_table("structures")
    op.drop_table("shards")
    op.drop_table("plans")
    op.drop_table("layers")
    op.drop_table("events")
    op.drop_table("analyses")
    op.drop_table("models")
    op.drop_table("datasets")
    op.drop_table("leases")
    op.drop_table("keys")
    op.drop_table("files")
