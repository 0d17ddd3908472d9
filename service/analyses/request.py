"""What may be asked of an analysis."""

from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from narrows.options import AnalysisOptions
from narrows.vocabulary import (
    PLANS,
    CostKind,
    Curvature,
    GateKind,
    Init,
    LossName,
    MethodName,
    PlanName,
)

LayerName = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
UploadId = Annotated[str, StringConstraints(max_length=64, pattern=r"^[\x21-\x7e]+$")]
BuildName = Annotated[
    str, StringConstraints(min_length=1, max_length=60, pattern=r"^[a-z0-9][a-z0-9-]*$")
]
_OWN_PLAN: TypeAdapter[PlanName] = TypeAdapter(PlanName)
_DEFAULTS = AnalysisOptions()


class CustomPlan(BaseModel):
    """Widths of your own: factors for layers by name; those that share their channels follow."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: BuildName = Field(examples=["mine"])
    factors: dict[LayerName, Annotated[float, Field(gt=0, le=16)]] = Field(
        min_length=1, max_length=10_000, examples=[{"features.3": 1.5}]
    )


def _plan(value: object, _: ValidatorFunctionWrapHandler) -> PlanName | CustomPlan:
    """Validate by the kind that is meant, for a union tells what is wrong by every kind."""
    if isinstance(value, str):
        return _OWN_PLAN.validate_python(value)
    return CustomPlan.model_validate(value)


Plan = Annotated[PlanName | CustomPlan, WrapValidator(_plan)]


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
                "plans": ["double", {"name": "mine", "factors": {"features.3": 1.5}}],
                "build": ["mine", "pruned"],
            }
        },
    )

    model_id: UploadId = Field(description="A model of yours")
    dataset_id: UploadId = Field(description="A dataset of yours")
    method: MethodName = Field(
        default=_DEFAULTS.method,
        description="What is removed first: by pairs of structures (sosp_i), the exact Hessian "
        "(sosp_h, the default for the loss model), the predicted change of the loss (joint), or a "
        "yardstick: first_order, fisher, magnitude, magnitude_relative, exact (every structure "
        "removed by itself)",
    )
    gate: GateKind = Field(
        default=_DEFAULTS.gate,
        description="What removing a channel sets to zero: all that is read of it (channel), or "
        "the weights that go into it, as in the paper (weights)",
    )
    loss: LossName = Field(
        default=_DEFAULTS.loss,
        description="What the network was trained to make small; model: the program takes x and "
        "y, and returns its loss",
    )
    curvature: Curvature | None = Field(
        default=None,
        description="For sosp_i and joint: one backward pass along a random combination of the "
        "outputs (sampled, the default), or one for every output (exact)",
    )
    blocks: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="For sosp_i and joint: in how many steps structures are removed; null: one by "
        "one, in 100 steps beyond 6,000 structures",
    )
    pruning_ratio: float = Field(
        default=_DEFAULTS.pruning_ratio,
        gt=0,
        lt=1,
        description="Share of all structures that is removed",
    )
    max_samples: int = Field(
        default=_DEFAULTS.max_samples,
        ge=1,
        le=2**31 - 1,
        description="At most so many samples are used",
    )
    batch_size: int = Field(default=_DEFAULTS.batch_size, ge=1, le=4096)
    seed: int = Field(default=_DEFAULTS.seed, ge=0, le=2**63 - 1, description="Chooses the samples")
    exclude: list[LayerName] = Field(
        default_factory=list, max_length=10_000, description="Layers that are left out, by name"
    )
    cost: CostKind = Field(
        default=_DEFAULTS.cost,
        description="What `pruning_ratio` is a share of, and what the ranking weighs loss against",
    )
    plans: list[Plan] = Field(
        default=[*PLANS],
        max_length=20,
        description="Which changes of widths to work out: by name, or factors of your own",
    )
    build: list[BuildName] = Field(
        default_factory=list,
        max_length=21,
        description="Plans that come back as networks, too, or `pruned`: the network without the "
        "channels that are removed",
    )
    init: Init = Field(
        default=_DEFAULTS.init,
        description="A wider network computes what the original does, or has new random channels",
    )
    time_limit_seconds: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="The analysis fails when it takes longer, counted from its start",
    )
    memory_bytes: int | None = Field(
        default=None,
        ge=1,
        le=2**63 - 1,
        description="How much memory a worker may use for it; the server's own limit where less",
    )

    @model_validator(mode="after")
    def _suit_a_programs_own_loss(self) -> Self:
        """Choose a method that needs no curvature of the loss, where none was asked for."""
        if self.loss == "model" and "method" not in self.model_fields_set:
            self.method = "sosp_h"
        return self
