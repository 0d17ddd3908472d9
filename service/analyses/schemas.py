"""The responses about analyses."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from narrows.vocabulary import AnalysisState, Stage, VerdictName
from service.analyses.scores import BaselineOut, ScoreOut
from service.analyses.stored import PlannedLayer, Summary
from service.database.tables import Analysis
from service.http.problems import ProblemOut
from service.naming.schemas import MetadataOut, TagsOut

_STAGES: dict[str, Stage] = {
    "queued": "queued",
    "planning": "plan",
    "running": "shards",
    "reducing": "reduce",
}


class Progress(BaseModel):
    """How far an analysis is."""

    stage: Stage = Field(description="What is being done")
    done: int = Field(description="Shards that are done")
    total: int = Field(description="Shards in all; 0 until the analysis is planned")
    seconds_left: float | None = Field(description="An estimate; null when there is none")


class FirstLook(ScoreOut):
    """The network's score on the first samples, before anything else is computed."""

    samples: int = Field(description="The number of these samples")
    baseline: BaselineOut | None = Field(description="What an answer that ignores the input gets")
    doubt: str | None = Field(
        description="Why model and dataset may not belong together, and what to check"
    )


class AnalysisOut(BaseModel):
    """An analysis. A failed one also comes with status 200: `error` is the problem document."""

    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(description="Its id", examples=["ana_9d5e4f60718293040b3fa1c0"])
    state: AnalysisState = Field(
        description="`queued` until a worker takes it, and at the end `succeeded`, `failed` or "
        "`cancelled`"
    )
    name: str | None = Field(description="What its owner calls it")
    tags: TagsOut
    metadata: MetadataOut
    model_id: str = Field(description="The id of the model")
    dataset_id: str = Field(description="The id of the dataset")
    source_id: str | None = Field(
        description="Of a follow-up: the analysis whose partial sums it uses; it may be gone"
    )
    request: dict[str, Any] = Field(description="The request, with the defaults filled in")
    progress: Progress = Field(description="How far it is")
    cancel_requested: bool = Field(description="Whether a cancel was asked for; it ends soon then")
    first_look: FirstLook | None = Field(
        description="The score on the first samples, as soon as the analysis is planned"
    )
    summary: Summary | None = Field(description="What it found, once it has succeeded")
    provenance: dict[str, Any] | None = Field(
        description="How the result was computed: versions, devices, hashes of the files, seed"
    )
    error: ProblemOut | None = Field(description="Why it failed (RFC 9457)")
    created_at: AwareDatetime = Field(description="When it was asked for")
    started_at: AwareDatetime | None = Field(description="When a worker took it; null before")
    finished_at: AwareDatetime | None = Field(description="When it ended; null before")
    expires_at: AwareDatetime | None = Field(
        description="When it is removed, unless something refers to it then; null: never, or not "
        "known before it has ended"
    )

    @classmethod
    def of(
        cls, row: Analysis, seconds_left: float | None, expires_at: datetime | None
    ) -> "AnalysisOut":
        progress = Progress(
            stage=_STAGES.get(row.state, "done"),
            done=row.shards - row.remaining,
            total=row.shards,
            seconds_left=seconds_left,
        )
        computed: dict[str, Any] = {
            "progress": progress,
            "expires_at": expires_at,
            "metadata": row.metadata_,
        }
        columns = {name: getattr(row, name) for name in cls.model_fields if name not in computed}
        return cls(**computed, **columns)


class _Result(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class GainOut(_Result):
    gain: float = Field(description="The expected fall of the held-out loss")
    interval: tuple[float, float] = Field(description="Its prediction interval, at 95 %")


class ExpectedGain(_Result):
    """What a layer gains per percent, on average over a widening by a fifth to a half."""

    parameters: GainOut | None = Field(
        description="For each percent of the network's parameters that it is widened by"
    )
    macs: GainOut | None = Field(
        description="For each percent of the network's MACs that it is widened by"
    )


class LayerOut(_Result):
    name: str = Field(description="The module's own name in the network", examples=["features.3"])
    op: str = Field(description="The operator that computes it", examples=["conv2d"])
    group: int | None = Field(description="Channel group: its layers are pruned together")
    width: int = Field(description="Output channels")
    parameters: int = Field(description="Its numbers of weights and biases")
    macs: int = Field(description="Multiply-accumulates for one sample")
    pruning_ratio: float | None = Field(description="Share of its structures that is removed")
    interval: tuple[float, float] | None = Field(description="Confidence interval of that share")
    p_value: float | None = Field(
        description="Probability of so low a share for channels drawn at random, adjusted for "
        "the number of layers"
    )
    score: float | None = Field(
        description="Mean rank of its structures among all: 0 if all are removed first, 1 if all "
        "are removed last"
    )
    score_interval: tuple[float, float] | None = Field(
        description="Confidence interval of the score"
    )
    worth: float | None = Field(
        description="How much the loss rises without one of its channels once all other channels "
        "have adapted: the upper quartile of its structures' worth. Null for methods other than "
        "sosp_i, joint and obs"
    )
    worth_interval: tuple[float, float] | None = Field(
        description="Confidence interval of the worth, extended by how far it would grow with "
        "more samples"
    )
    worth_ratio: float | None = Field(
        description="Its worth over that of the median layer: a channel here is worth so many "
        "typical channels",
        examples=[3.6],
    )
    promise: float | None = Field(
        description="What one more channel of it promises, over what it promises in comparable "
        "layers: the rule worth names a layer from 3 on. Null where there are none, and for "
        "methods that do not measure worth",
        examples=[5.1],
    )
    promise_interval: tuple[float, float] | None = Field(
        description="Confidence interval of the promise"
    )
    widen_rank: int | None = Field(
        description="Its place in `widen here first`: 1 for the layer where more parameters "
        "promise most; layers that share it are equal, or share their channels. Null for methods "
        "that do not measure worth, and where every verdict is withheld",
        examples=[1],
    )
    expected_gain: ExpectedGain | None = Field(
        description="What widening it gains, by a calibration on small networks; null where none "
        "can be told. `gain_basis` in the summary says what it rests on, or why there is none"
    )
    verdict: VerdictName = Field(description="What is said of it", examples=["bottleneck"])
    because: str | None = Field(
        description="The numbers behind the verdict",
        examples=[
            "a channel here is worth 3.6 typical channels; one more promises 5.1 times as much as "
            "in comparable layers, 95 % interval 4.2 to 6.3; the network has loss 0.21, accuracy "
            "93.4%"
        ],
    )
    samples_needed: int | None = Field(
        description="For a suspected layer: about how many samples would settle it, if they can"
    )
    reason: str | None = Field(description="Why it could not be pruned")
    sweep: list[tuple[float, float]] = Field(
        description="Pairs of the network's and the layer's pruning ratio"
    )
    sweep_intervals: list[tuple[float, float]] | None = Field(
        description="Confidence intervals of the layer's ratios in `sweep`; null with too few "
        "batches, and for analyses of older versions"
    )
    inputs: list[str] | None = Field(
        description="The layers that it reads; none for one that reads the network's inputs. Null "
        "for analyses of older versions"
    )
    joins: list[str] | None = Field(
        description="The layers whose results join its own before anything reads it, such as by "
        "a residual addition. Null for analyses of older versions"
    )


class StructureOut(_Result):
    group: int = Field(description="The channel group that it is of")
    channel: int = Field(description="Its index in that group")
    saliency: float = Field(
        description="In units of the loss; of the weights for the magnitude methods"
    )
    first_order: float | None = Field(description="θ_s·g, if the method computes it")
    second_order: float | None = Field(
        description="θ_s·(Hθ_struc), with the Hessian or its Gauss–Newton part, if the method "
        "computes it"
    )
    rank: int = Field(description="Place among all structures, the least salient first")
    worth: float | None = Field(
        description="How much the loss rises without it once all other structures have adapted. "
        "Null for methods other than sosp_i, joint and obs"
    )
    members: list[tuple[str, int]] = Field(
        description="Pairs of layer and channel", examples=[[["conv1", 0]]]
    )


class EvaluationOut(_Result):
    """The scores before and after a change, on the same samples of the analysis."""

    before: ScoreOut = Field(description="Of the network that was analysed")
    after: ScoreOut = Field(description="Of the network that was built")
    remark: str | None = Field(
        description="A warning where less than half of what the network had learned is left"
    )


class OutOfReach(_Result):
    """A module that the edits of a plan can't reach."""

    module: str = Field(description="Its name in the network", examples=["aux.head"])
    reason: str = Field(description="Why no edit reaches it")


class PlanOut(_Result):
    name: str = Field(description="Its name, from the request", examples=["double"])
    layers: list[PlannedLayer] = Field(description="New widths and the attributes to edit")
    parameters: list[int] = Field(description="Before and after")
    macs: list[int] = Field(description="Before and after")
    artifact: str | None = Field(description="The name of the built network in `…/artifacts`")
    evaluation: EvaluationOut | None = Field(description="Scores, if the network was built")
    error: str | None = Field(description="Why its network could not be built, if it was asked for")
    incomplete: list[OutOfReach] | None = Field(
        description="What the edits do not reach; null for analyses of older versions"
    )


class ArtifactOut(_Result):
    """A built network: a `.pt2` file that can be uploaded as a model."""

    analysis_id: str = Field(exclude=True)
    name: str = Field(description="The name of the file", examples=["double.pt2"])
    size: int = Field(description="Bytes")
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal digits")
    expires_at: AwareDatetime | None = Field(
        default=None, description="When it is removed; null: never"
    )

    @computed_field  # type: ignore[prop-decorator]  # pydantic documents this order
    @property
    def url(self) -> str:
        """The path to download the file from."""
        return f"/v1/analyses/{self.analysis_id}/artifacts/{self.name}"
