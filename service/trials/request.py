"""The request for a trial."""

from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from narrows.trials.options import (
    LARGEST_NUMBER,
    MOST_PLANS,
    MOST_SEEDS,
    MOST_THREADS,
    FineTune,
    Recipe,
    TrialOptions,
)
from narrows.trials.recipe import LARGEST_RATE, MOST_CROP, MOST_EPOCHS, MOST_SAMPLES, MOST_STEPS
from narrows.vocabulary import (
    BudgetKind,
    Init,
    LossName,
    OptimizerName,
    ScheduleName,
    StartName,
    VariantKind,
)
from service.analyses.plan_request import Advise, BuildName, CustomPlan
from service.analyses.request import UploadId

_RECIPE, _TUNE, _DEFAULTS = Recipe(), FineTune(), TrialOptions()
IDS: Final = frozenset({"model_id", "dataset_id", "analysis_id"})

Rate = Annotated[float, Field(gt=0, le=LARGEST_RATE)]


def _plan(value: object, _: ValidatorFunctionWrapHandler) -> str | CustomPlan:
    """Validate text as a name, else as a custom plan; a union would report the errors of both."""
    if isinstance(value, str):
        return _NAME.validate_python(value)
    return CustomPlan.model_validate(value)


_NAME: TypeAdapter[str] = TypeAdapter(BuildName)
TrialPlan = Annotated[BuildName | CustomPlan, WrapValidator(_plan)]


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


class TrialRequest(BaseModel):
    """What to train, and how: a model with a dataset, or the plans of an analysis."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        protected_namespaces=(),
        json_schema_extra={
            "example": {
                "model_id": "mdl_3fa1c02b9d5e4f6071829304",
                "dataset_id": "dst_0b9d5e4f60718293043fa1c0",
                "plans": ["double", {"name": "mine", "factors": {"features.3": 1.5}}],
                "recipe": {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 30},
                "seeds": [0, 1, 2],
            }
        },
    )

    model_id: UploadId | None = Field(
        default=None, description="The id of one of your models; leave it out with `analysis_id`"
    )
    dataset_id: UploadId | None = Field(
        default=None, description="The id of one of your datasets; leave it out with `analysis_id`"
    )
    analysis_id: UploadId | None = Field(
        default=None,
        description="The id of one of your analyses, whose plans are tried. Without it, an "
        "analysis of the model on the dataset is made first",
    )
    plans: list[TrialPlan] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_PLANS,
        description="The plans to try: by name, or with your own factors. Of an analysis, those "
        "that it has, by name. Null: `double` and `advise`, or all plans of the analysis",
    )
    advise: Advise | None = Field(
        default=None, description="The options of the plan `advise`; null: 10 % more parameters"
    )
    variants: list[VariantKind] = Field(
        default=[*_DEFAULTS.variants],
        min_length=1,
        description="What is trained for each plan, beside the original: its widths (plan), all "
        "layers wider by one factor at no more parameters (uniform), its widths pruned back to the "
        "original's size and trained on (expand_prune)",
    )
    inits: list[Init] = Field(
        default=[*_DEFAULTS.inits],
        description="How new channels begin where training starts from the upload's weights: "
        "copies that keep the function (preserve, the default), or random ones (fresh)",
    )
    recipe: RecipeRequest = Field(default_factory=RecipeRequest, description="How to train")
    fine_tune: FineTuneRequest = Field(
        default_factory=FineTuneRequest, description="How `expand_prune` goes on after pruning"
    )
    seeds: list[Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]] = Field(
        default=[*_DEFAULTS.seeds],
        min_length=1,
        max_length=MOST_SEEDS,
        description="Every variant is trained once with each seed",
    )
    holdout: float = Field(
        default=_DEFAULTS.holdout,
        gt=0,
        lt=1,
        description="The share of the samples that each seed holds out, to measure on",
    )
    loss: LossName | None = Field(
        default=None,
        description="What is minimized, as in an analysis; null: that of the analysis, or "
        "cross_entropy",
    )
    max_samples: int | None = Field(
        default=None,
        ge=2,
        le=LARGEST_NUMBER,
        description="How many samples each seed draws; null: all",
    )
    threads: int = Field(
        default=_DEFAULTS.threads,
        ge=1,
        le=MOST_THREADS,
        description="How many threads a training uses; the bits of a sum depend on it",
    )
    time_limit_seconds: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="Runs that have not ended by then fail, counted from when the trial is planned",
    )
    memory_bytes: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_NUMBER,
        description="How much memory a worker may use for it; a lower limit of the server applies",
    )


def options_of(document: dict[str, Any]) -> TrialOptions:
    """Return the options of a whole request; raise TrialOptionError where they do not go together.

    `document` is the request in JSON, with its plans and its loss.
    """
    return TrialOptions.from_json({k: v for k, v in document.items() if k not in IDS})
