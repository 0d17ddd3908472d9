"""The types of trials in the API's JSON; `openapi.json` has every field."""

from typing import Any, TypedDict

from narrows.client.results import Artifact
from narrows.client.types import Advise, CustomPlan, Transform
from narrows.vocabulary import (
    AnalysisState,
    BudgetKind,
    Init,
    LossName,
    OptimizerName,
    PartState,
    ScheduleName,
    StartName,
    TrialStage,
    VariantKind,
)


class Recipe(TypedDict, total=False):
    """How every variant is trained."""

    optimizer: OptimizerName
    learning_rate: float
    momentum: float | None
    weight_decay: float
    schedule: ScheduleName
    warmup: float
    epochs: int | None
    steps: int | None
    batch_size: int
    flip: bool
    crop: int
    label_smoothing: float
    start: StartName


class FineTune(TypedDict, total=False):
    """The second part of `expand_prune`."""

    share: float
    learning_rate: float | None
    prune_to: BudgetKind


class TrialRequest(TypedDict, total=False):
    """A model with a dataset, or an analysis; and what to train, and how."""

    model_id: str
    dataset_id: str
    analysis_id: str
    transform: Transform | None
    plans: list[str | CustomPlan]
    advise: Advise | None
    variants: list[VariantKind]
    inits: list[Init]
    recipe: Recipe
    fine_tune: FineTune
    seeds: list[int]
    holdout: float
    loss: LossName
    max_samples: int | None
    threads: int
    time_limit_seconds: int
    memory_bytes: int


class TrialProgress(TypedDict):
    """`done` of `total` runs have ended, with `steps_done` of `steps_total` steps."""

    stage: TrialStage
    done: int
    total: int
    steps_done: int
    steps_total: int
    seconds_left: float | None


class Mean(TypedDict):
    """A mean over `count` seeds, with its 95 % confidence interval if there are several."""

    value: float
    interval: list[float] | None
    count: int


class VariantSummary(TypedDict):
    """What the runs of a variant say; a gain is that over `original` with the same seed."""

    name: str
    parameters: int | None
    macs: int | None
    loss: Mean | None
    accuracy: Mean | None
    gain: Mean | None
    accuracy_gain: Mean | None
    errors: dict[str, str]


class PutBack(TypedDict):
    """A call that ran in train mode."""

    module: str
    op: str
    what: str


class TrialSummary(TypedDict):
    """The result of a trial; `left_out` says why variants were not trained."""

    variants: list[VariantSummary]
    left_out: dict[str, str]
    put_back: list[PutBack]
    remark: str


class Trial(TypedDict):
    """A trial; `summary` is set once it has `succeeded`, `error` once it has `failed`."""

    id: str
    state: AnalysisState
    model_id: str
    dataset_id: str
    analysis_id: str
    request: dict[str, Any]
    progress: TrialProgress
    cancel_requested: bool
    summary: TrialSummary | None
    provenance: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class Point(TypedDict):
    """A point of a loss curve."""

    step: int
    epoch: float
    train_loss: float | None
    loss: float | None
    accuracy: float | None
    parameters: int


class TrialRun(TypedDict):
    """The training of one variant with one seed."""

    index: int
    variant: str
    seed: int
    state: PartState
    step: int
    segment: int
    attempt: int
    curve: list[Point] | None
    loss: float | None
    accuracy: float | None
    parameters: int | None
    macs: int | None
    device: str | None
    artifact: str | None
    error: dict[str, Any] | None
    started_at: str | None
    finished_at: str | None


class TrialArtifact(Artifact):
    """A trained network."""
