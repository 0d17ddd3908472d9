"""The types of the API's JSON for clients; `openapi.json` has every field."""

from typing import Any, Literal, TypedDict

from narrows.client.results import (
    Analysis,
    Artifact,
    Baseline,
    Edit,
    Evaluation,
    ExpectedGain,
    FirstLook,
    Gain,
    Layer,
    OutOfReach,
    Plan,
    PlannedLayer,
    Progress,
    Removal,
    Score,
    Structure,
    Summary,
)
from narrows.vocabulary import (
    BudgetKind,
    CostKind,
    Curvature,
    GateKind,
    Init,
    LossName,
    MethodName,
    PlanName,
    RuleName,
    TaskName,
    UploadSessionState,
    UploadState,
    WorkerState,
)

__all__ = [
    "Advise",
    "Analysis",
    "Artifact",
    "Baseline",
    "CustomPlan",
    "Edit",
    "Evaluation",
    "ExpectedGain",
    "FirstLook",
    "Gain",
    "Layer",
    "Options",
    "OutOfReach",
    "Plan",
    "PlannedLayer",
    "Progress",
    "Removal",
    "Score",
    "Structure",
    "Summary",
    "Transform",
    "Upload",
    "UploadSession",
    "Work",
    "Worker",
]


class Transform(TypedDict, total=False):
    """The preprocessing of each sample: resize, crop, then `(x * scale - mean) / std` by channel.

    `inputs` names the arrays that it is for; `length` and `pad` are for lists.
    """

    scale: float
    mean: list[float]
    std: list[float]
    layout: Literal["nchw", "nhwc"]
    resize: int | list[int]
    crop: int | list[int]
    interpolation: Literal["bilinear", "bicubic"]
    color: Literal["rgb", "gray"]
    length: int
    pad: float | dict[str, float]
    inputs: list[str]


class CustomPlan(TypedDict):
    """Factors for the widths of layers, by name."""

    name: str
    factors: dict[str, float]


class Advise(TypedDict, total=False):
    """The options of the plan `advise`: what share of what it adds, and how it rounds widths."""

    budget: float
    cost: BudgetKind
    multiple: int | None


class Options(TypedDict, total=False):
    """The options of an analysis, beyond the model and the dataset."""

    transform: Transform | None
    method: MethodName
    gate: GateKind
    rule: RuleName | None
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
    advise: Advise | None
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


class UploadSession(TypedDict):
    """An upload in parts; `received` are the numbers of the parts that have arrived."""

    id: str
    state: UploadSessionState
    kind: Literal["model", "dataset"]
    name: str
    size: int
    sha256: str
    part_size: int
    parts: int
    received_bytes: int
    transform: dict[str, Any] | None
    created_at: str
    expires_at: str
    upload_id: str | None
    received: list[int]


class Work(TypedDict):
    """The task that a worker runs."""

    task: TaskName
    job: str | None
    shard: int | None


class Limit(TypedDict):
    """A limit of an owner; nothing is counted for rates."""

    limit: int
    used: int | None
    left: int | None


class Usage(TypedDict):
    """What an owner has stored and asked for, and its limits by name."""

    owner: str
    models: int
    datasets: int
    jobs: dict[str, dict[str, int]]
    bytes: int
    limits: dict[str, Limit]


class Worker(TypedDict):
    """A worker; times are as in RFC 3339."""

    name: str
    host: str
    queues: list[str]
    device: str | None
    sandbox: list[str] | None
    state: WorkerState
    work: Work | None
    version: str
    torch_version: str
    started_at: str
    seen_at: str
