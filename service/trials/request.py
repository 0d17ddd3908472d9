"""The request for a trial."""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter

from narrows.trials.options import (
    LARGEST_NUMBER,
    MOST_PLANS,
    MOST_SEEDS,
    MOST_THREADS,
    TrialOptions,
)
from narrows.vocabulary import Init, LossName, VariantKind
from service.analyses.plan_request import Advise, BuildName, CustomPlan, named_or_custom
from service.analyses.request import UploadId
from service.datasets.schemas import Transform
from service.naming.schemas import Naming
from service.trials.recipe_request import FineTuneRequest, RecipeRequest

_DEFAULTS = TrialOptions()
SUBJECT: Final = frozenset({"model_id", "dataset_id", "analysis_id", "transform"})
"""The fields that say what is trained; the others are options."""


TrialPlan = Annotated[BuildName | CustomPlan, named_or_custom(TypeAdapter(BuildName))]


class TrialRequest(Naming):
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
    transform: Transform | None = Field(
        default=None,
        description="The preprocessing of each sample, in place of the one declared at upload; "
        "leave it out with `analysis_id`",
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
    return TrialOptions.from_json({k: v for k, v in document.items() if k not in SUBJECT})
