"""The responses about trials."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from narrows.vocabulary import AnalysisState, PartState, TrialStage
from service.database.trials import Trial
from service.http.problem_document import ProblemOut
from service.jobs.schemas import JobArtifactOut
from service.naming.schemas import MetadataOut, TagsOut

_STAGES: dict[str, TrialStage] = {
    "queued": "queued",
    "planning": "plan",
    "running": "train",
    "reducing": "reduce",
}


class TrialProgress(BaseModel):
    """How far a trial is."""

    stage: TrialStage = Field(
        description="What is being done; `analysis`: it waits for the end of its analysis"
    )
    done: int = Field(description="Runs that have ended")
    total: int = Field(description="Runs in all; 0 until the trial is planned")
    steps_done: int = Field(description="Steps of training that are done, over all runs")
    steps_total: int = Field(description="Steps of all runs; 0 until the trial is planned")
    seconds_left: float | None = Field(description="An estimate; null when there is none")

    @classmethod
    def of(
        cls, row: Trial, done: int, total: int, seconds_left: float | None, *, waits: bool
    ) -> "TrialProgress":
        return cls(
            stage="analysis" if waits else _STAGES.get(row.state, "done"),
            done=row.runs - row.remaining,
            total=row.runs,
            steps_done=done,
            steps_total=total,
            seconds_left=seconds_left,
        )


class MeanOut(BaseModel):
    """A mean over seeds."""

    value: float = Field(description="The mean")
    interval: tuple[float, float] | None = Field(
        description="Its 95 % confidence interval (Student's t); null with a single seed"
    )
    count: int = Field(description="The number of seeds")


class VariantOut(BaseModel):
    """What the runs of a variant say together; those that failed are left out."""

    name: str = Field(description="Its name", examples=["double.expand_prune"])
    parameters: int | None = Field(description="Parameters at the end of the training")
    macs: int | None = Field(description="Multiply-accumulates for one sample, at the end")
    loss: MeanOut | None = Field(description="On the samples that were held out")
    accuracy: MeanOut | None = Field(description="On these samples; null for losses without that")
    gain: MeanOut | None = Field(
        description="How much lower the loss is than that of `original` with the same seed"
    )
    accuracy_gain: MeanOut | None = Field(
        description="How much higher the accuracy is than that of `original` with the same seed"
    )
    errors: dict[str, str] = Field(description="Why runs failed, by seed")


class PutBackOut(BaseModel):
    """A call that differs from the upload's, which is in eval mode."""

    module: str = Field(description="The module that makes it", examples=["layer1.0.bn1"])
    op: str = Field(description="The operator", examples=["batch_norm"])
    what: str = Field(description="What it does in training")


class TrialSummary(BaseModel):
    """The result of a trial."""

    variants: list[VariantOut] = Field(description="The variants, `original` first")
    left_out: dict[str, str] = Field(description="Why variants were not trained, by name")
    put_back: list[PutBackOut] = Field(description="What was put back in train mode")
    remark: str = Field(description="What can't be put back")


class TrialOut(BaseModel):
    """A trial. A failed one also comes with status 200: `error` is the problem document."""

    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(description="Its id", examples=["trl_9d5e4f60718293040b3fa1c0"])
    state: AnalysisState = Field(
        description="`queued` until its analysis has ended and a worker takes it, and at the end "
        "`succeeded`, `failed` (also where all its runs failed) or `cancelled`"
    )
    name: str | None = Field(description="What its owner calls it")
    tags: TagsOut
    metadata: MetadataOut
    model_id: str = Field(description="The id of the model")
    dataset_id: str = Field(description="The id of the dataset")
    analysis_id: str = Field(description="The id of the analysis whose plans are tried")
    request: dict[str, Any] = Field(description="The request, with the defaults filled in")
    progress: TrialProgress = Field(description="How far it is")
    cancel_requested: bool = Field(description="Whether a cancel was asked for; it ends soon then")
    summary: TrialSummary | None = Field(description="The result; null until it has succeeded")
    provenance: dict[str, Any] | None = Field(
        description="How the result was computed: versions, devices, hashes of the files"
    )
    error: ProblemOut | None = Field(description="Why it failed (RFC 9457)")
    created_at: AwareDatetime = Field(description="When it was asked for")
    started_at: AwareDatetime | None = Field(description="When a worker took it; null before")
    finished_at: AwareDatetime | None = Field(description="When it ended; null before")
    expires_at: AwareDatetime | None = Field(
        description="When it is removed; null: never, or not known before it has ended"
    )

    @classmethod
    def of(cls, row: Trial, progress: TrialProgress, expires_at: datetime | None) -> "TrialOut":
        computed: dict[str, Any] = {
            "progress": progress,
            "expires_at": expires_at,
            "metadata": row.metadata_,
        }
        columns = {name: getattr(row, name) for name in cls.model_fields if name not in computed}
        return cls(**computed, **columns)


class PointOut(BaseModel):
    """A point of a loss curve: the end of an epoch, or of a part of the training."""

    step: int = Field(description="After so many steps")
    epoch: float = Field(description="After so many epochs")
    train_loss: float | None = Field(description="Mean since the point before")
    loss: float | None = Field(description="On the samples that are held out")
    accuracy: float | None = Field(description="On these samples; null for losses without that")
    parameters: int = Field(description="Parameters at that time; `expand_prune` has fewer later")


class TrialRunOut(BaseModel):
    """The training of one variant with one seed."""

    model_config = ConfigDict(from_attributes=True)

    trial_id: str = Field(exclude=True)
    index: int = Field(description="Its index")
    variant: str = Field(description="The name of the variant")
    seed: int = Field(description="The seed")
    state: PartState = Field(
        description="`queued` between its segments, too: other work may go first"
    )
    step: int = Field(description="Steps that are done, as of the last checkpoint")
    segment: int = Field(description="Segments that are done, each with a checkpoint at its end")
    attempt: int = Field(description="Attempts at the present segment; a crash costs one")
    curve: list[PointOut] | None = Field(description="Losses so far; null before the first segment")
    loss: float | None = Field(description="On the samples that were held out, at the end")
    accuracy: float | None = Field(description="On these samples; null for losses without that")
    parameters: int | None = Field(description="Parameters at the end")
    macs: int | None = Field(description="Multiply-accumulates for one sample, at the end")
    device: str | None = Field(description="The device that computed the last segment")
    artifact: str | None = Field(description="The name of the trained network in `…/artifacts`")
    error: ProblemOut | None = Field(description="Why it failed (RFC 9457)")
    started_at: AwareDatetime | None = Field(description="When a worker took it first")
    finished_at: AwareDatetime | None = Field(description="When it ended")


class TrialArtifactOut(JobArtifactOut):
    """A trained network: a `.pt2` file that can be uploaded as a model."""

    trial_id: str = Field(exclude=True)
    name: str = Field(description="The name of the file", examples=["run-3.pt2"])

    @computed_field  # type: ignore[prop-decorator]  # pydantic documents this order
    @property
    def url(self) -> str:
        """The path to download the file from."""
        return f"/v1/trials/{self.trial_id}/artifacts/{self.name}"
