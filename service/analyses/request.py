"""The request for an analysis."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from narrows.options import AnalysisOptions, default_rule
from narrows.vocabulary import (
    DEFAULT_PLANS,
    CostKind,
    Curvature,
    GateKind,
    Init,
    LossName,
    MethodName,
    RuleName,
)
from service.analyses.plan_request import Advise, BuildName, LayerName, Plan
from service.datasets.schemas import Transform
from service.naming.schemas import Naming

UploadId = Annotated[str, StringConstraints(max_length=64, pattern=r"^[\x21-\x7e]+$")]
_DEFAULTS = AnalysisOptions()


class AnalysisRequest(Naming):
    """Which model to analyse on which dataset, and how. Only the first two fields are required."""

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
                "plans": ["double", {"name": "mine", "factors": {"features.3": 1.5}}],
                "build": ["mine", "pruned"],
            }
        },
    )

    model_id: UploadId = Field(description="The id of one of your models")
    dataset_id: UploadId = Field(description="The id of one of your datasets")
    transform: Transform | None = Field(
        default=None,
        description="The preprocessing of each sample, in place of the one declared at upload; "
        "null: that one",
    )
    method: MethodName = Field(
        default=_DEFAULTS.method,
        description="How structures are ranked: by pairs of structures (sosp_i), by the exact "
        "Hessian (sosp_h, the default for the loss model), by the predicted change of the loss "
        "(joint), by what is lost once all other structures have adapted (obs), or by a baseline: "
        "first_order, fisher, magnitude, magnitude_relative, exact (every structure removed by "
        "itself)",
    )
    rule: RuleName | None = Field(
        default=None,
        description="What verdicts rest on: how much a layer's channels are worth (worth), or how "
        "few of them the pruning removes, as in the paper (pruning_ratio). Null: worth for the "
        "methods that measure it, sosp_i, joint and obs, and pruning_ratio for the others",
    )
    gate: GateKind = Field(
        default=_DEFAULTS.gate,
        description="What removing a channel sets to zero: its values wherever they are read "
        "(channel), or the weights that compute it, as in the paper (weights)",
    )
    loss: LossName = Field(
        default=_DEFAULTS.loss,
        description="The loss that the network was trained with; model: the program takes x and "
        "y, and returns its loss",
    )
    curvature: Curvature | None = Field(
        default=None,
        description="For sosp_i, joint and obs: one backward pass for a random combination of the "
        "outputs (sampled, the default), or one for each output (exact)",
    )
    blocks: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="For sosp_i, joint and obs: in how many steps structures are removed; null: "
        "one structure in each step, or 100 steps if there are more than 6,000 structures (obs: 20 "
        "steps, or 4)",
    )
    pruning_ratio: float = Field(
        default=_DEFAULTS.pruning_ratio,
        gt=0,
        lt=1,
        description="The share of all structures, or of what `cost` counts, that is removed",
    )
    max_samples: int = Field(
        default=_DEFAULTS.max_samples,
        ge=1,
        le=2**31 - 1,
        description="The largest number of samples that is used",
    )
    batch_size: int = Field(
        default=_DEFAULTS.batch_size,
        ge=1,
        le=4096,
        description="How many samples are computed at once",
    )
    seed: int = Field(
        default=_DEFAULTS.seed,
        ge=0,
        le=2**63 - 1,
        description="The seed of the random numbers, such as those that choose the samples",
    )
    exclude: list[LayerName] = Field(
        default_factory=list,
        max_length=10_000,
        description="The names of layers whose width stays as it is",
    )
    cost: CostKind = Field(
        default=_DEFAULTS.cost,
        description="What `pruning_ratio` is a share of, and what the ranking divides saliency by",
    )
    plans: list[Plan] = Field(
        default=[*DEFAULT_PLANS],
        max_length=20,
        description="The plans (changes of widths) to compute: by name, or with your own factors. "
        "`advise` needs a method that measures worth: sosp_i, joint or obs",
    )
    advise: Advise | None = Field(
        default=None,
        description="The options of the plan `advise`; null: 10 % more parameters",
    )
    build: list[BuildName] = Field(
        default_factory=list,
        max_length=21,
        description="The plans to build as networks, by name; `pruned` is the network without the "
        "removed channels",
    )
    init: Init = Field(
        default=_DEFAULTS.init,
        description="New channels keep what the network computes (preserve), or start as random "
        "ones (fresh)",
    )
    time_limit_seconds: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="The analysis fails if it takes longer, counted from its start",
    )
    memory_bytes: int | None = Field(
        default=None,
        ge=1,
        le=2**63 - 1,
        description="How much memory a worker may use for it; a lower limit of the server applies",
    )

    @model_validator(mode="after")
    def _suit_a_programs_own_loss(self) -> Self:
        """Choose a method that works with the loss `model` if the request names no method."""
        if self.loss == "model" and "method" not in self.model_fields_set:
            self.method = "sosp_h"
        return self

    @model_validator(mode="after")
    def _say_the_rule(self) -> Self:
        """Choose the rule of the method if the request names none, so that it is shown."""
        if self.rule is None:
            self.rule = default_rule(self.method)
        return self
