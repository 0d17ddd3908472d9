"""What an analysis answers."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from narrows.vocabulary import AnalysisState, Stage
from service.database.tables import Analysis

_STAGES: dict[str, Stage] = {
    "queued": "queued",
    "planning": "plan",
    "running": "shards",
    "reducing": "reduce",
}


class Progress(BaseModel):
    stage: Stage
    done: int = Field(description="Shards that are done")
    total: int = Field(description="Shards in all; 0 until the analysis is planned")
    seconds_left: float | None = Field(description="An estimate; null when there is none")


class AnalysisOut(BaseModel):
    """An analysis: a failed one is a 200 with `state: failed` and a problem in `error`."""

    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(examples=["ana_9d5e4f60718293040b3fa1c0"])
    state: AnalysisState
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
    p_value: float | None = Field(
        description="Chance of so high a score for channels drawn at random, adjusted for the "
        "number of layers"
    )
    score: float | None = Field(
        description="Mean rank of its structures among all: 0 all go first, 1 all stay longest"
    )
    score_interval: tuple[float, float] | None = Field(
        description="Confidence interval of the score"
    )
    verdict: str = Field(
        description="bottleneck, suspected, balanced, redundant or not_prunable",
        examples=["bottleneck"],
    )
    because: str | None = Field(
        description="What the verdict rests on",
        examples=["score 0.95 (0.92 to 0.98), p 2.7e-07"],
    )
    samples_needed: int | None = Field(
        description="Of a suspected layer: about how many samples would settle it, if they can"
    )
    reason: str | None = Field(description="Why it could not be pruned")
    sweep: list[tuple[float, float]] = Field(description="Pairs of global and own pruning ratio")


class StructureOut(_Result):
    group: int
    channel: int
    saliency: float = Field(
        description="In units of the loss; of the weights for the magnitude methods"
    )
    first_order: float | None = Field(description="θ_s·g, where the method has it")
    second_order: float | None = Field(
        description="θ_s·(Hθ_struc), with the Hessian or its Gauss–Newton part, where it has that"
    )
    rank: int = Field(description="Place among all structures, the least salient first")
    members: list[Any] = Field(description="Pairs of layer and channel", examples=[[["conv1", 0]]])


class PlanOut(_Result):
    name: str = Field(examples=["double"])
    layers: list[dict[str, Any]] = Field(description="New widths and the attributes to edit")
    parameters: list[int] = Field(description="Before and after")
    macs: list[int] = Field(description="Before and after")
    artifact: str | None = Field(description="The network that was built, one of `…/artifacts`")


class ArtifactOut(_Result):
    """A network that was built: a `.pt2` file that can be uploaded as a model."""

    analysis_id: str = Field(exclude=True)
    name: str = Field(examples=["double.pt2"])
    size: int = Field(description="Bytes")
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal digits")

    @computed_field  # type: ignore[prop-decorator]  # mypy's, not ours: pydantic documents it so
    @property
    def url(self) -> str:
        """Where the bytes are."""
        return f"/v1/analyses/{self.analysis_id}/artifacts/{self.name}"
