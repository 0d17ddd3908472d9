"""What is asked of an analysis, and what it answers."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from service.database.tables import Analysis

State = Literal["queued", "planning", "running", "reducing", "succeeded", "failed", "cancelled"]
Stage = Literal["queued", "plan", "shards", "reduce", "done"]
LayerName = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
UploadId = Annotated[str, StringConstraints(max_length=64, pattern=r"^[\x21-\x7e]+$")]

_STAGES: dict[str, Stage] = {
    "queued": "queued",
    "planning": "plan",
    "running": "shards",
    "reducing": "reduce",
}


class AnalysisRequest(BaseModel):
    """Which model to judge on which dataset, and how. The first two fields are enough."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        protected_namespaces=(),
        json_schema_extra={
            "example": {
                "model_id": "mdl_3fa1c02b9d5e4f6071829304",
                "dataset_id": "dst_0b9d5e4f60718293043fa1c0",
                "pruning_ratio": 0.5,
                "exclude": ["head"],
            }
        },
    )

    model_id: UploadId = Field(description="A model of yours")
    dataset_id: UploadId = Field(description="A dataset of yours")
    method: Literal["sosp_h"] = Field(
        default="sosp_h",
        description="How saliencies are computed: second order, by Hessian products",
    )
    gate: Literal["weights"] = Field(
        default="weights", description="What removing a channel sets to zero: its weights"
    )
    loss: Literal["cross_entropy", "mse", "nll", "bce_with_logits"] = Field(
        default="cross_entropy", description="What the network was trained to make small"
    )
    pruning_ratio: float = Field(
        default=0.5, gt=0, lt=1, description="Share of all structures that is removed"
    )
    max_samples: int = Field(
        default=4096, ge=1, le=2**31 - 1, description="At most so many samples are used"
    )
    batch_size: int = Field(default=64, ge=1, le=4096)
    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="Chooses the samples")
    exclude: list[LayerName] = Field(
        default_factory=list, max_length=10_000, description="Layers that are left out, by name"
    )


class Progress(BaseModel):
    stage: Stage
    done: int = Field(description="Shards that are done")
    total: int = Field(description="Shards in all; 0 until the analysis is planned")
    seconds_left: float | None = Field(description="An estimate; null when there is none")


class AnalysisOut(BaseModel):
    """An analysis: a failed one is a 200 with `state: failed` and a problem in `error`."""

    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(examples=["ana_9d5e4f60718293040b3fa1c0"])
    state: State
    model_id: str
    dataset_id: str
    request: dict[str, Any] = Field(description="What was asked, with the defaults filled in")
    progress: Progress
    cancel_requested: bool
    summary: dict[str, Any] | None = Field(
        examples=[{"loss": 0.21, "structures": 166, "samples": 4096, "bottlenecks": ["features.3"]}]
    )
    provenance: dict[str, Any] | None = Field(
        description="Code version, torch, device, data hash and seed that made the result"
    )
    error: dict[str, Any] | None = Field(description="A problem document (RFC 9457)")
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None

    @classmethod
    def of(cls, row: Analysis, seconds_left: float | None) -> "AnalysisOut":
        progress = Progress(
            stage=_STAGES.get(row.state, "done"),
            done=row.shards - row.remaining,
            total=row.shards,
            seconds_left=seconds_left,
        )
        columns = {name: getattr(row, name) for name in cls.model_fields if name != "progress"}
        return cls(progress=progress, **columns)


class _Result(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class LayerOut(_Result):
    name: str = Field(description="The module's own name in the network", examples=["features.3"])
    op: str = Field(examples=["conv2d"])
    group: int | None = Field(description="Channel group: layers of one group are cut together")
    width: int = Field(description="Output channels")
    parameters: int
    macs: int = Field(description="Multiply-accumulates for one sample")
    pruning_ratio: float | None = Field(description="Share of its structures that is removed")
    interval: tuple[float, float] | None = Field(description="Confidence interval of that share")
    p_value: float | None
    score: float | None
    verdict: str = Field(examples=["bottleneck"])
    reason: str | None = Field(description="Why it could not be pruned")
    sweep: list[tuple[float, float]] = Field(description="Pairs of global and own pruning ratio")


class StructureOut(_Result):
    group: int
    channel: int
    saliency: float
    first_order: float
    second_order: float
    rank: int = Field(description="Place among all structures, the least salient first")
    members: list[Any] = Field(description="Pairs of layer and channel", examples=[[["conv1", 0]]])


class PlanOut(_Result):
    name: str = Field(examples=["double"])
    layers: list[dict[str, Any]] = Field(description="New widths and the attributes to edit")
    parameters: list[int] = Field(description="Before and after")
    macs: list[int] = Field(description="Before and after")
    artifact: str | None
