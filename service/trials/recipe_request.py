"""The parts of a request that say how to train."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from narrows.trials.recipe import (
    LARGEST_RATE,
    MOST_CROP,
    MOST_EPOCHS,
    MOST_SAMPLES,
    MOST_STEPS,
    FineTune,
    Recipe,
)
from narrows.vocabulary import BudgetKind, OptimizerName, ScheduleName, StartName

_RECIPE, _TUNE = Recipe(), FineTune()

Rate = Annotated[float, Field(gt=0, le=LARGEST_RATE)]


class RecipeRequest(BaseModel):
    """How every variant is trained."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Recipe")

    optimizer: OptimizerName = Field(default=_RECIPE.optimizer, description="AdamW, or SGD")
    learning_rate: Rate = Field(default=_RECIPE.learning_rate, description="The peak")
    momentum: float | None = Field(
        default=None, ge=0, lt=1, description="Of `sgd`; null: 0.9. Not for `adamw`"
    )
    weight_decay: float = Field(
        default=_RECIPE.weight_decay, ge=0, le=100, description="Of all parameters"
    )
    schedule: ScheduleName = Field(
        default=_RECIPE.schedule, description="How the rate falls after its warm-up"
    )
    warmup: float = Field(
        default=_RECIPE.warmup, ge=0, lt=1, description="The share of the steps in which it rises"
    )
    epochs: int | None = Field(
        default=None, ge=1, le=MOST_EPOCHS, description="How long; null: `steps`, or 20 epochs"
    )
    steps: int | None = Field(
        default=None, ge=1, le=MOST_STEPS, description="How long, instead of `epochs`"
    )
    batch_size: int = Field(
        default=_RECIPE.batch_size, ge=1, le=MOST_SAMPLES, description="Samples in a step"
    )
    flip: bool = Field(
        default=_RECIPE.flip, description="Mirror each input along its last axis, or not, by chance"
    )
    crop: int = Field(
        default=_RECIPE.crop, ge=0, le=MOST_CROP, description="Move it by up to so many pixels"
    )
    label_smoothing: float = Field(
        default=_RECIPE.label_smoothing,
        ge=0,
        lt=1,
        description="The share of a label that goes to all classes",
    )
    start: StartName = Field(
        default=_RECIPE.start, description="From new weights (scratch) or from the upload's"
    )


class FineTuneRequest(BaseModel):
    """The second part of `expand_prune`: what comes after pruning back."""

    model_config = ConfigDict(extra="forbid", strict=True, title="FineTune")

    share: float = Field(default=_TUNE.share, gt=0, lt=1, description="Its share of all steps")
    learning_rate: Rate | None = Field(
        default=None, description="Its peak rate; null: that of the recipe"
    )
    prune_to: BudgetKind = Field(
        default=_TUNE.prune_to, description="What pruning brings back to the original's"
    )
