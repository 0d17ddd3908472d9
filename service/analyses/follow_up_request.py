"""The requests for follow-ups: what may be asked of partial sums that were measured before."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from narrows.vocabulary import BudgetKind, CostKind, Init, MethodName, RuleName
from service.analyses.plan_request import (
    Advise,
    Budget,
    BuildName,
    CustomPlan,
    Factors,
    Multiple,
    Plan,
    named_or_custom,
)
from service.naming.schemas import Naming

_CONFIG = ConfigDict(extra="forbid", strict=True)
Blocks = Annotated[int, Field(ge=1, le=100_000)]
Ratio = Annotated[float, Field(gt=0, lt=1)]


class FollowUpRequest(Naming):
    """What is to be other than in the analysis; what is left out stays, but nothing is built."""

    model_config = ConfigDict(
        **_CONFIG, json_schema_extra={"example": {"pruning_ratio": 0.3, "cost": "macs"}}
    )

    method: MethodName | None = Field(
        default=None,
        description="One that needs the same partial sums: sosp_i, joint and obs answer each "
        "other, and so do magnitude and magnitude_relative",
    )
    rule: RuleName | None = Field(default=None, description="What verdicts rest on")
    blocks: Blocks | None = Field(
        default=None, description="For sosp_i, joint and obs: in how many steps structures go"
    )
    pruning_ratio: Ratio | None = Field(default=None, description="The share that is removed")
    cost: CostKind | None = Field(
        default=None,
        description="What `pruning_ratio` is a share of, and what the ranking divides saliency by",
    )
    plans: list[Plan] | None = Field(
        default=None, max_length=20, description="The plans to compute, in place of the analysis'"
    )
    advise: Advise | None = Field(default=None, description="The options of the plan `advise`")
    build: list[BuildName] = Field(
        default_factory=list, max_length=21, description="The plans to build as networks, by name"
    )
    init: Init | None = Field(default=None, description="How new channels begin")


class PlanRequest(BaseModel):
    """A plan of one's own, by `factors`; or else the plan `advise`, by a `budget`."""

    model_config = ConfigDict(
        **_CONFIG, json_schema_extra={"example": {"name": "mine", "factors": {"features.3": 1.5}}}
    )

    name: BuildName | None = Field(
        default=None, description="The name of a plan with factors; null: custom"
    )
    factors: Factors | None = Field(
        default=None, description="The new width of each named layer, as a factor of its width"
    )
    budget: Budget | None = Field(
        default=None, description="How much may be added, as a share of what the network has"
    )
    cost: BudgetKind | None = Field(default=None, description="What a budget adds")
    multiple: Multiple | None = Field(
        default=None,
        description="With a budget, new widths are multiples of this; null: of 8 from 64 channels "
        "on",
    )


class BuildRequest(BaseModel):
    """A network to build."""

    model_config = ConfigDict(
        **_CONFIG, json_schema_extra={"example": {"plan": "double", "init": "preserve"}}
    )

    plan: Annotated[BuildName | CustomPlan, named_or_custom(TypeAdapter(BuildName))] = Field(
        description="A plan of the analysis, by name; `pruned`, the network without the removed "
        "channels; or your own factors"
    )
    init: Init = Field(default="preserve", description="How new channels begin")
    pruning_ratio: Ratio | None = Field(
        default=None, description="The share that is removed; null: that of the analysis"
    )
