"""Trials and their runs; plans keep how often each structure exists, for trials to build them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("plans") as plans:
        plans.add_column(sa.Column("copies", JSON, nullable=True))
    op.create_table(
        "trials",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("model_id", sa.String(length=32), nullable=False),
        sa.Column("dataset_id", sa.String(length=32), nullable=False),
        sa.Column("analysis_id", sa.String(length=32), nullable=False),
        sa.Column("request", JSON, nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("runs", INTEGER, nullable=False),
        sa.Column("remaining", INTEGER, nullable=False),
        sa.Column("steps", INTEGER, nullable=True),
        sa.Column("planned", JSON, nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("summary", JSON, nullable=True),
        sa.Column("provenance", JSON, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        *_leased(),
        _refers("trials", "model_id", "models.id"),
        _refers("trials", "dataset_id", "datasets.id"),
        _refers("trials", "analysis_id", "analyses.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trials")),
        sa.UniqueConstraint(
            "owner", "idempotency_key", name=op.f("uq_trials_owner_idempotency_key")
        ),
    )
    op.create_table(
        "trial_runs",
        sa.Column("trial_id", sa.String(length=32), nullable=False),
        sa.Column("index", INTEGER, nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("seed", INTEGER, nullable=False),
        sa.Column("segment", INTEGER, nullable=False),
        sa.Column("checkpoint", sa.String(length=64), nullable=True),
        sa.Column("step", INTEGER, nullable=False),
        sa.Column("curve", JSON, nullable=True),
        sa.Column("loss", sa.Double(), nullable=True),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("parameters", INTEGER, nullable=True),
        sa.Column("macs", INTEGER, nullable=True),
        sa.Column("artifact", sa.Text(), nullable=True),
        sa.Column("device", sa.String(length=200), nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        *_leased(),
        _refers("trial_runs", "trial_id", "trials.id", ondelete="CASCADE"),
        _refers("trial_runs", "checkpoint", "files.sha256"),
        sa.PrimaryKeyConstraint("trial_id", "index", name=op.f("pk_trial_runs")),
    )
    op.create_table(
        "trial_artifacts",
        sa.Column("trial_id", sa.String(length=32), nullable=False),
        sa.Column("index", INTEGER, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", INTEGER, nullable=False),
        _refers("trial_artifacts", "trial_id", "trials.id", ondelete="CASCADE"),
        _refers("trial_artifacts", "sha256", "files.sha256"),
        sa.PrimaryKeyConstraint("trial_id", "index", name=op.f("pk_trial_artifacts")),
        sa.UniqueConstraint("trial_id", "name", name=op.f("uq_trial_artifacts_trial_id_name")),
    )
    op.create_table(
        "trial_events",
        sa.Column("id", INTEGER, autoincrement=True, nullable=False),
        sa.Column("trial_id", sa.String(length=32), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("data", JSON, nullable=False),
        _refers("trial_events", "trial_id", "trials.id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trial_events")),
    )
    for table, columns in INDEXES:
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)


INDEXES = [
    ("trials", ["owner"]),
    ("trials", ["state"]),
    ("trials", ["model_id"]),
    ("trials", ["dataset_id"]),
    ("trials", ["analysis_id"]),
    ("trial_runs", ["state"]),
    ("trial_runs", ["checkpoint"]),
    ("trial_runs", ["state", "lease_until"]),
    ("trial_artifacts", ["sha256"]),
    ("trial_events", ["trial_id"]),
]


def _leased() -> list[sa.Column[object]]:
    """Return the columns of work that workers lease."""
    return [
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("leased_by", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("attempt", INTEGER, nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("sends", INTEGER, nullable=False),
        sa.Column("error", JSON, nullable=True),
    ]


def _refers(table: str, column: str, to: str, ondelete: str | None = None) -> sa.Constraint:
    name = op.f(f"fk_{table}_{column}_{to.partition('.')[0]}")
    return sa.ForeignKeyConstraint([column], [to], name=name, ondelete=ondelete)


def downgrade() -> None:
    for table in ("trial_events", "trial_artifacts", "trial_runs", "trials"):
        op.drop_table(table)
    with op.batch_alter_table("plans") as plans:
        plans.drop_column("copies")
