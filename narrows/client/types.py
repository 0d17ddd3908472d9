"""The types of the API's JSON for clients; see `openapi.json` for every field."""

from typing import Any, Literal, NotRequired, TypedDict

from narrows.vocabulary import (
    AnalysisState,
    CostKind,
    Curvature,
    GateKind,
    Init,
    LossName,
    MethodName,
    PlanName,
    Stage,
    TaskName,
    UploadState,
    VerdictName,
    WorkerState,
)


class Transform(TypedDict, total=False):
    """The preprocessing of each sample: `(x * scale - mean) / std`, by channel."""

    scale: float
    mean: list[float]
    std: list[float]
    layout: Literal["nchw", "nhwc"]


class CustomPlan(TypedDict):
    """Factors for the widths of layers, by name."""

    name: str
    factors: dict[str, float]


class Options(TypedDict, total=False):
    """The options of an analysis, beyond the model and the dataset."""

    method: MethodName
    gate: GateKind
    loss: LossName
    curvature: Curvature
    blocks: int | None
    pruning_ratio: float
    max_samples: int
    batch_size: int
    seed: int
    exclude: list[str]
    cost: CostKind
    plans: list[PlanName | CustomPlan]
    build: list[str]
    init: Init
    time_limit_seconds: int
    memory_bytes: int


class Upload(TypedDict):
    """A model or a dataset; `size` is in bytes, `inspection` its contents once `ready`.

    Times, also those of analyses, are as in RFC 3339.
    """

    id: str
    state: UploadState
    name: str
    sha256: str
    size: int
    created_at: str
    inspection: dict[str, Any] | None
    error: dict[str, Any] | None


class Progress(TypedDict):
    """`done` of `total` parts of a stage."""

    stage: Stage
    done: int
    total: int
    seconds_left: float | None


class Baseline(TypedDict, total=False):
    """What a constant answer gives on the same targets, and which answer that is."""

    loss: float
    accuracy: float | None
    kind: str


class FirstLook(TypedDict, total=False):
    """What the first samples say; `doubt` is why the verdicts will be withheld."""

    samples: int
    loss: float | None
    accuracy: float | None
    baseline: Baseline | None
    doubt: str | None


class Removal(TypedDict):
    """What was measured after a global pruning at `ratio`."""

    ratio: float
    loss: float
    accuracy: float | None


class Summary(TypedDict):
    """The summary of an analysis; `doubt` is why every verdict is withheld, if it is.

    `cliff` is the largest ratio of `removals` that keeps the network's quality. Servers before 0.2
    have no more than the first four.
    """

    samples: int
    loss: float
    structures: int
    bottlenecks: list[str]
    accuracy: NotRequired[float | None]
    baseline: NotRequired[Baseline | None]
    doubt: NotRequired[str | None]
    removals: NotRequired[list[Removal]]
    cliff: NotRequired[float | None]


class Analysis(TypedDict):
    """An analysis; `summary` is set once it has `succeeded`, `error` once it has `failed`."""

    id: str
    state: AnalysisState
    model_id: str
    dataset_id: str
    request: dict[str, Any]
    progress: Progress
    cancel_requested: bool
    first_look: NotRequired[FirstLook | None]
    summary: Summary | None
    provenance: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class Layer(TypedDict):
    """A layer with its verdict; `macs` are for one sample, intervals have a level of 95 %."""

    name: str
    op: str
    group: int | None
    width: int
    parameters: int
    macs: int
    pruning_ratio: float | None
    interval: list[float] | None
    p_value: float | None
    score: float | None
    score_interval: list[float] | None
    because: str | None
    samples_needed: int | None
    verdict: VerdictName
    reason: str | None
    sweep: list[list[float]]


class Structure(TypedDict):
    """A structure; `members` are its (layer, channel) pairs, and rank 0 goes first."""

    group: int
    channel: int
    saliency: float
    first_order: float | None
    second_order: float | None
    rank: int
    members: list[list[str | int]]


Edit = TypedDict("Edit", {"module": str, "attribute": str, "from": int, "to": int})
"""An edit of the source: set `module.attribute` to another number of channels."""


class PlannedLayer(TypedDict):
    """A layer's new width, and the edits that it needs."""

    name: str
    width: int
    new_width: int
    edits: list[Edit]


class Quality(TypedDict):
    """The loss and the accuracy of a network on the analysis' samples."""

    loss: float
    accuracy: float | None


class Evaluation(TypedDict):
    """A built network beside the original; `remark` is set where it is much worse."""

    before: Quality
    after: Quality
    remark: str | None


class OutOfReach(TypedDict):
    """A module that a plan's edits can't reach."""

    module: str
    reason: str


class Plan(TypedDict):
    """A plan; `parameters` and `macs` are [before, after], MACs for one sample.

    `evaluation` is set for a network that was built, `error` if it could not be.
    """

    name: str
    layers: list[PlannedLayer]
    parameters: list[int]
    macs: list[int]
    artifact: str | None
    evaluation: NotRequired[Evaluation | None]
    error: NotRequired[str | None]
    incomplete: NotRequired[list[OutOfReach]]


class Work(TypedDict):
    """The task that a worker runs."""

    task: TaskName
    job: str | None
    shard: int | None


class Worker(TypedDict):
    """A worker; times are as in RFC 3339."""

    name: str
    host: str
    queues: list[str]
    device: str | None
    state: WorkerState
    work: Work | None
    version: str
    torch_version: str
    started_at: str
    seen_at: str


class Artifact(TypedDict):
    """A network that was built; `size` is in bytes."""

    name: str
    size: int
    sha256: str
    url: str
