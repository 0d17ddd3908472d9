"""The tables of trials: the trials, their runs, what these built, and events."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.database.jobs import Job, JobArtifact, JobEvent, JobKind, Part
from service.database.naming import newest_of_owner


class Trial(Job):
    """Trains what the plans of an analysis build; it begins when the analysis has ended."""

    __tablename__ = "trials"
    __table_args__ = (UniqueConstraint("owner", "idempotency_key"), newest_of_owner())
    analysis_id: Mapped[str] = mapped_column(ForeignKey("analyses.id"), index=True)
    runs: Mapped[int] = mapped_column(default=0)
    steps: Mapped[int | None]
    """How many steps each run takes."""
    planned: Mapped[dict[str, Any] | None]
    """The variants, those that were left out, and what is put back in train mode."""


def _of_trial() -> Mapped[str]:
    return mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)


class TrialRun(Part):
    """The training of one variant with one seed.

    It is computed in segments. After each, a checkpoint is stored, and the run is queued again.
    """

    __tablename__ = "trial_runs"
    __table_args__ = (Index(None, "state", "lease_until"),)
    trial_id: Mapped[str] = _of_trial()
    variant: Mapped[str] = mapped_column(Text)
    seed: Mapped[int]
    segment: Mapped[int] = mapped_column(default=0)
    """How many segments are done; claims name it, so that each is done once."""
    checkpoint: Mapped[str | None] = mapped_column(ForeignKey("files.sha256"), index=True)
    """The file that the next segment goes on from; null before the first, and after the end."""
    step: Mapped[int] = mapped_column(default=0)
    """How many steps of the training are done."""
    curve: Mapped[list[Any] | None]
    loss: Mapped[float | None]
    accuracy: Mapped[float | None]
    """Both on the samples that were held out."""
    parameters: Mapped[int | None]
    macs: Mapped[int | None]
    artifact: Mapped[str | None] = mapped_column(Text)
    device: Mapped[str | None] = mapped_column(String(200))
    """The device that computed the last segment."""
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class TrialArtifact(JobArtifact):
    """The network of a run after its training; its index is the run's."""

    __tablename__ = "trial_artifacts"
    __table_args__ = (UniqueConstraint("trial_id", "name"),)
    trial_id: Mapped[str] = _of_trial()


class TrialEvent(JobEvent):
    __tablename__ = "trial_events"
    trial_id: Mapped[str] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), index=True)


TRIALS: Final = JobKind(
    "trial", "trl", Trial, TrialRun, TrialEvent, TrialArtifact, "trial_id", {"checkpoint": None}
)
