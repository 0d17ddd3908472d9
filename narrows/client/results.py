"""The types of an analysis and its results, in the API's JSON; `openapi.json` has every field."""

from typing import Any, Literal, NotRequired, TypedDict

from narrows.vocabulary import AnalysisState, Stage, VerdictName


class Progress(TypedDict):
    """`done` of `total` parts of a stage."""

    stage: Stage
    done: int
    total: int
    seconds_left: float | None


class Score(TypedDict):
    """The loss and, for losses that have one, the accuracy (top-1) of a network."""

    loss: float | None
    accuracy: float | None


class Baseline(Score):
    """What an answer that ignores the input gives, on the same targets; `chance` is a guess."""

    kind: Literal["constant", "shuffled"]
    chance: NotRequired[Score | None]


class FirstLook(Score):
    """What the first samples say; `doubt` is why the verdicts will be withheld."""

    samples: int
    baseline: Baseline | None
    doubt: str | None


class Removal(Score):
    """What was measured after a global pruning at `ratio`."""

    ratio: float


class Summary(TypedDict):
    """The summary of an analysis; `doubt` is why every verdict is withheld, if it is.

    `cliff` is the largest ratio of `removals` that keeps half of what the network has learned,
    `advice` what the plan `advise` rests on, if it was asked for, and `gain_basis` what expected
    gains rest on, or why there are none.
    Older servers have no more than the first four.
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
    advice: NotRequired[str | None]
    gain_basis: NotRequired[str]
    suspected: NotRequired[list[str]]
    redundant: NotRequired[list[str]]
    undecided: NotRequired[list[str]]


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


class Gain(TypedDict):
    """The fall of the held-out loss that is expected, with its 95 % interval."""

    gain: float
    interval: list[float]


class ExpectedGain(TypedDict):
    """What a layer gains for each percent of the network's parameters, or MACs, that go into it."""

    parameters: Gain | None
    macs: Gain | None


class Layer(TypedDict):
    """A layer with its verdict; `macs` are for one sample, intervals have a level of 95 %.

    `worth` is what the loss rises by without one of its channels once all others have adapted, and
    `worth_ratio` how many times that of the median layer. `promise` is what one more channel of it
    promises, over that of comparable layers; `widen_rank` 1 is to be widened first. `expected_gain`
    is null where none can be told; `gain_basis` in the summary says why. `inputs` are the layers
    that it reads, `joins` those whose results join its own. Older servers have none of these.
    """

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
    worth: NotRequired[float | None]
    worth_interval: NotRequired[list[float] | None]
    worth_ratio: NotRequired[float | None]
    promise: NotRequired[float | None]
    promise_interval: NotRequired[list[float] | None]
    widen_rank: NotRequired[int | None]
    expected_gain: NotRequired[ExpectedGain | None]
    because: str | None
    samples_needed: int | None
    verdict: VerdictName
    reason: str | None
    sweep: list[list[float]]
    sweep_intervals: NotRequired[list[list[float]] | None]
    inputs: NotRequired[list[str] | None]
    joins: NotRequired[list[str] | None]


class Structure(TypedDict):
    """A structure; `members` are its (layer, channel) pairs, and rank 0 goes first."""

    group: int
    channel: int
    saliency: float
    first_order: float | None
    second_order: float | None
    rank: int
    worth: NotRequired[float | None]
    members: list[list[str | int]]


Edit = TypedDict("Edit", {"module": str, "attribute": str, "from": int, "to": int})
"""An edit of the source: set `module.attribute` to another number of channels."""


class PlannedLayer(TypedDict):
    """A layer's new width, and the edits that it needs."""

    name: str
    width: int
    new_width: int
    edits: list[Edit]


class Evaluation(TypedDict):
    """A built network beside the original; `remark` is set where it is much worse."""

    before: Score
    after: Score
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
    incomplete: NotRequired[list[OutOfReach] | None]


class Artifact(TypedDict):
    """A network that was built; `size` is in bytes."""

    name: str
    size: int
    sha256: str
    url: str
