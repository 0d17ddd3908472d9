"""The words that the library, the service, the workers and the client share; no other imports."""

from typing import Final, Literal, get_args

# --- requests -------------------------------------------------------------------------------------

MethodName = Literal[
    "sosp_h",
    "sosp_i",
    "joint",
    "obs",
    "first_order",
    "fisher",
    "magnitude",
    "magnitude_relative",
    "exact",
]
"""The criteria of what is removed first; see `narrows.methods.table`."""
METHODS: Final[tuple[MethodName, ...]] = get_args(MethodName)
CURVATURE_METHODS: Final[frozenset[MethodName]] = frozenset({"sosp_i", "joint", "obs"})
"""The methods that weigh pairs of structures, by the Gauss–Newton matrix."""
SAME_TERMS: Final[tuple[frozenset[MethodName], ...]] = (
    CURVATURE_METHODS,
    frozenset({"magnitude", "magnitude_relative"}),
)
"""The methods that measure the same: the partial sums of one answer the others, too."""

RuleName = Literal["worth", "pruning_ratio"]
"""What verdicts rest on: how much a layer's channels are worth, or how few of them a global pruning
removes, as in the paper; see `narrows.verdict`."""
RULES: Final[tuple[RuleName, ...]] = get_args(RuleName)

GateKind = Literal["weights", "channel"]
"""`weights`: on a layer's own output, as the paper's θ_s; a batch norm may shift it afterwards.
`channel`: where the channel is read, so that a gate of 0 does what removal does."""

LossName = Literal["cross_entropy", "mse", "nll", "bce_with_logits", "model"]
"""`model`: the program takes inputs and targets, and returns its loss."""
LOSS_NAMES: Final[tuple[LossName, ...]] = get_args(LossName)

Curvature = Literal["sampled", "exact"]
"""One backward pass along a random combination of the outputs, or one for every output."""

CostKind = Literal["structures", "parameters", "macs"]
"""The unit of budgets, and of what a structure costs."""
COST_KINDS: Final[tuple[CostKind, ...]] = get_args(CostKind)

PlanName = Literal["double", "uniform", "reallocate", "advise"]
"""The plans that Narrows makes by itself."""
PLANS: Final[tuple[PlanName, ...]] = get_args(PlanName)
ADVISE: Final = "advise"
"""The plan that rests on worth, which only `CURVATURE_METHODS` measure."""
DEFAULT_PLANS: Final[tuple[PlanName, ...]] = tuple(name for name in PLANS if name != ADVISE)
"""The plans that every method makes."""
BudgetKind = Literal["parameters", "macs"]
"""What the plan `advise` spends."""
BUDGET_KINDS: Final[tuple[BudgetKind, ...]] = get_args(BudgetKind)
LARGEST_BUDGET: Final = 4
"""The largest share of the network's cost that `advise` may spend."""
LARGEST_MULTIPLE: Final = 1024
"""The largest number that `advise` may round widths to."""
PARTIAL_SUMS: Final = "partial-sums.npz"
RANKINGS: Final = "rankings.npz"
"""The files of an analysis that its follow-ups are computed from."""
PRUNED: Final = "pruned"
"""Not a plan, but a network to build: the one without the structures cut at `pruning_ratio`."""

Init = Literal["preserve", "fresh"]
"""The initial numbers of copies: the channel's own, with readers that divide, or new ones."""

SMOOTHED_LOSSES: Final[frozenset[LossName]] = frozenset({"cross_entropy", "nll"})
"""The losses of class numbers, which may be smoothed."""
OptimizerName = Literal["sgd", "adamw"]
OPTIMIZERS: Final[tuple[OptimizerName, ...]] = get_args(OptimizerName)
"""How trials train: stochastic gradient descent with momentum, or AdamW."""
ScheduleName = Literal["constant", "cosine", "linear"]
SCHEDULES: Final[tuple[ScheduleName, ...]] = get_args(ScheduleName)
"""How the learning rate of a trial falls, after its warm-up."""
StartName = Literal["scratch", "upload"]
STARTS: Final[tuple[StartName, ...]] = get_args(StartName)
"""What a trial trains: new initial weights, or the upload's."""
ORIGINAL: Final = "original"
"""The variant of a trial that all others are held against: the network with its own widths."""
VariantKind = Literal["plan", "uniform", "expand_prune"]
VARIANT_KINDS: Final[tuple[VariantKind, ...]] = get_args(VariantKind)
"""What is trained for each plan. `plan`: its widths. `uniform`: all layers wider by one factor,
with at most the plan's parameters. `expand_prune`: its widths, trained, pruned back to the
original's size, and trained on."""

# --- results --------------------------------------------------------------------------------------

VerdictName = Literal[
    "bottleneck", "suspected", "balanced", "redundant", "undecided", "not_prunable"
]
"""`undecided`: prunable, but the data do not allow a verdict."""
VERDICTS: Final[tuple[VerdictName, ...]] = get_args(VerdictName)

# --- progress -------------------------------------------------------------------------------------

UploadState = Literal["inspecting", "ready", "rejected", "expired"]
UploadSessionState = Literal["open", "completed", "cancelled"]
AnalysisState = Literal[
    "queued", "planning", "running", "reducing", "succeeded", "failed", "cancelled"
]
ENDED: Final[frozenset[AnalysisState]] = frozenset({"succeeded", "failed", "cancelled"})
"""The states that an analysis or a trial does not leave."""
WebhookEvent = Literal[
    "analysis.succeeded",
    "analysis.failed",
    "analysis.cancelled",
    "trial.succeeded",
    "trial.failed",
    "trial.cancelled",
]
"""What webhooks tell of: `KIND.STATE`, for each state of ENDED."""
ACTIVE: Final[tuple[AnalysisState, ...]] = tuple(
    state for state in get_args(AnalysisState) if state not in ENDED
)
Stage = Literal["queued", "plan", "shards", "reduce", "done"]
TrialStage = Literal["queued", "analysis", "plan", "train", "reduce", "done"]
PartState = Literal["queued", "leased", "done", "failed", "cancelled"]
"""The states of a shard of an analysis, and of a run of a trial."""
TaskName = Literal[
    "inspect_model",
    "inspect_dataset",
    "plan",
    "shard",
    "reduce",
    "follow_up",
    "plan_trial",
    "train",
    "reduce_trial",
]
"""The kinds of work, as in messages."""
WorkerState = Literal["idle", "busy", "gone"]
