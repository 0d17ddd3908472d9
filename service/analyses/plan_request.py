"""The plans of a request: by name, with your own factors, and the options of `advise`."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from narrows.options import AdviseOptions
from narrows.vocabulary import LARGEST_BUDGET, LARGEST_MULTIPLE, BudgetKind, PlanName

LayerName = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
BuildName = Annotated[
    str, StringConstraints(min_length=1, max_length=60, pattern=r"^[a-z0-9][a-z0-9-]*$")
]
Factors = Annotated[
    dict[LayerName, Annotated[float, Field(gt=0, le=16)]], Field(min_length=1, max_length=10_000)
]
Budget = Annotated[float, Field(gt=0, le=LARGEST_BUDGET)]
Multiple = Annotated[int, Field(ge=1, le=LARGEST_MULTIPLE)]
_ADVISE = AdviseOptions()


class CustomPlan(BaseModel):
    """Your own widths: factors for layers by name; layers that share their channels follow."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: BuildName = Field(description="The name of the plan", examples=["mine"])
    factors: Factors = Field(
        description="The new width of each named layer, as a factor of its width",
        examples=[{"features.3": 1.5}],
    )


def named_or_custom(name: TypeAdapter[Any]) -> WrapValidator:
    """Validate text as such a name, else as a custom plan; a union would report both errors."""

    def validate(value: object, _: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, str):
            return name.validate_python(value)
        return CustomPlan.model_validate(value)

    return WrapValidator(validate)


Plan = Annotated[PlanName | CustomPlan, named_or_custom(TypeAdapter(PlanName))]


class Advise(BaseModel):
    """How much the plan `advise` may spend, and how it rounds widths."""

    model_config = ConfigDict(extra="forbid", strict=True)

    budget: Budget = Field(
        default=_ADVISE.budget,
        description="How much may be added, as a share of what the network has",
    )
    cost: BudgetKind = Field(default=_ADVISE.cost, description="What is added")
    multiple: Multiple | None = Field(
        default=None,
        description="New widths are multiples of this; null: of 8 from 64 channels on",
    )
