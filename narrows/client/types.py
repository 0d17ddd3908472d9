"""What the API's JSON looks like to a client; see `openapi.json` for every field."""

from typing import Any, Literal, TypedDict

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
    """What is done to each sample: `(x * scale - mean) / std`."""

    scale: float
    mean: list[float]
    std: list[float]
    layout: Literal["nchw", "nhwc"]


class CustomPlan(TypedDict):
    """Factors for the widths of layers, by name."""

    name: str
    factors: dict[str, float]


class Options(TypedDict, total=False):
    """What may be asked of an analysis, beyond the model and the dataset."""

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
    id: str
    state: UploadState
    name: str
    sha256: str
    size: int
    inspection: dict[str, Any] | None
    error: dict[str, Any] | None


class Progress(TypedDict):
    stage: Stage
    done: int
    total: int
    seconds_left: float | None


class Analysis(TypedDict):
    id: str
    state: AnalysisState
    model_id: str
    dataset_id: str
    request: dict[str, Any]
    progress: Progress
    summary: dict[str, Any] | None
    provenance: dict[str, Any] | None
    error: dict[str, Any] | None


class Layer(TypedDict):
    name: str
    op: str
    group: int | None
    width: int
    parameters: int
    macs: int
    pruning_ratio: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    score: float | None
    score_interval: tuple[float, float] | None
    because: str | None
    samples_needed: int | None
    verdict: VerdictName
    reason: str | None
    sweep: list[tuple[float, float]]


class Structure(TypedDict):
    group: int
    channel: int
    saliency: float
    first_order: float | None
    second_order: float | None
    rank: int
    members: list[tuple[str, int]]


Edit = TypedDict("Edit", {"module": str, "attribute": str, "from": int, "to": int})


class PlannedLayer(TypedDict):
    name: str
    width: int
    new_width: int
    edits: list[Edit]


class Plan(TypedDict):
    name: str
    layers: list[PlannedLayer]
    parameters: tuple[int, int]
    macs: tuple[int, int]
    artifact: str | None


class Work(TypedDict):
    task: TaskName
    job: str | None
    shard: int | None


class Worker(TypedDict):
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
    name: str
    size: int
    sha256: str
    url: str
