"""The options of a trial, with all their bounds; loads no torch.

See docs/trials.md, "Options".
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from narrows.options import AdviseOptions, CustomPlan, WithPlans, as_plan
from narrows.trials.checks import (
    TrialOptionError,
    require_choice,
    require_known,
    require_number,
    require_several,
    require_whole,
)
from narrows.trials.recipe import FineTune, Recipe
from narrows.vocabulary import (
    BUDGET_KINDS,
    LARGEST_BUDGET,
    LARGEST_MULTIPLE,
    LOSS_NAMES,
    ORIGINAL,
    PLANS,
    PRUNED,
    SMOOTHED_LOSSES,
    VARIANT_KINDS,
    Init,
    LossName,
    PlanName,
    VariantKind,
)

__all__ = ["FineTune", "Recipe", "TrialOptionError", "TrialOptions"]

MOST_SEEDS = 32
MOST_PLANS = 20
MOST_THREADS = 256
LARGEST_FACTOR = 16
LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class TrialOptions(WithPlans):
    """The options of a trial, with their defaults.

    `variants` are the kinds that are trained beside `original`, for each of `plans`. `inits` say
    how new channels begin where training starts from the upload's weights (then by default
    `preserve`). `holdout` is the share of the samples that each seed holds out, of `max_samples`
    that it draws. `threads` is the number that one training uses: the bits of a sum depend on it.

    >>> options = TrialOptions.from_json({"recipe": {"epochs": 5}, "seeds": [0, 1]})
    >>> options.recipe.epochs, options.seeds, options.plan_names
    (5, (0, 1), ['double', 'advise'])
    >>> TrialOptions.from_json(options.to_json()) == options
    True
    >>> TrialOptions.from_json({"fine_tune": {"shares": 5}})
    Traceback (most recent call last):
    narrows.trials.checks.TrialOptionError: fine_tune.shares is unknown; choose from share, \
learning_rate, prune_to
    """

    plans: tuple[PlanName | CustomPlan, ...] = ("double", "advise")
    advise: AdviseOptions | None = None
    variants: tuple[VariantKind, ...] = VARIANT_KINDS
    inits: tuple[Init, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    fine_tune: FineTune = field(default_factory=FineTune)
    seeds: tuple[int, ...] = (0, 1, 2)
    holdout: float = 0.2
    loss: LossName = "cross_entropy"
    max_samples: int | None = None
    threads: int = 1
    time_limit_seconds: int | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        """Raise TrialOptionError for what is not allowed."""
        require_several("plans", self.plans, MOST_PLANS)
        for plan in self.plans:
            _require_plan(plan)
        require_several("plans", tuple(self.plan_names), MOST_PLANS)
        if self.advise:
            _require_advice(self.advise)
        self._require_choices("variants", VARIANT_KINDS)
        self._require_inits()
        require_several("seeds", self.seeds, MOST_SEEDS)
        for seed in self.seeds:
            require_whole("seeds", seed, 0, LARGEST_NUMBER)
        require_number("holdout", self.holdout, 1, open_at=(True, True))
        require_choice("loss", self.loss, LOSS_NAMES)
        if self.recipe.label_smoothing and self.loss not in SMOOTHED_LOSSES:
            raise TrialOptionError(
                "recipe.label_smoothing", f"is for losses of classes, not for {self.loss!r}"
            )
        require_whole("threads", self.threads, 1, MOST_THREADS)
        for name, least, most in _OPTIONAL:
            if (value := getattr(self, name)) is not None:
                require_whole(name, value, least, most)

    def _require_inits(self) -> None:
        if self.recipe.start == "upload":
            if self.inits == ():
                object.__setattr__(self, "inits", ("preserve",))
            self._require_choices("inits", get_args(Init))
        elif self.inits != ():
            raise TrialOptionError(
                "inits", 'are for recipe.start "upload": from scratch, all weights are new'
            )

    def _require_choices(self, name: str, choices: tuple[str, ...]) -> None:
        values = getattr(self, name)
        require_several(name, values, len(choices))
        for value in values:
            require_choice(name, value, choices)

    @classmethod
    def from_json(cls, request: Mapping[str, Any]) -> "TrialOptions":
        """Return the options in a request, with defaults for the rest.

        Raises TrialOptionError for what is unknown or not allowed.
        """
        options = require_known("", cls, request)
        for name in ("plans", "variants", "inits", "seeds"):
            if isinstance(options.get(name), list):
                options[name] = tuple(options[name])
        if isinstance(options.get("plans"), tuple):
            options["plans"] = tuple(map(_parse_plan, options["plans"]))
        for name, kind in (("recipe", Recipe), ("fine_tune", FineTune), ("advise", AdviseOptions)):
            if options.get(name) is not None:
                options[name] = kind(**require_known(name, kind, options[name]))
            else:
                options.pop(name, None)
        return cls(**options)

    def to_json(self) -> dict[str, Any]:
        """Return the options as `from_json` takes them, ready for JSON."""
        plans = [
            {"name": plan.name, "factors": dict(plan.factors)}
            if isinstance(plan, CustomPlan)
            else plan
            for plan in self.plans
        ]
        names = ("variants", "inits", "seeds")
        return asdict(self) | {"plans": plans} | {name: list(getattr(self, name)) for name in names}


_OPTIONAL = (
    ("max_samples", 2, LARGEST_NUMBER),
    ("time_limit_seconds", 1, 2**31 - 1),
    ("memory_bytes", 1, LARGEST_NUMBER),
)
"""Options that may be None: names, and bounds of what they are else."""


def _parse_plan(plan: Any) -> Any:
    if isinstance(plan, Mapping):
        known = require_known("plans", CustomPlan, plan)
        if known.keys() != {"name", "factors"} or not isinstance(known["factors"], Mapping):
            raise TrialOptionError("plans", f"has {plan!r}; give a name and the layers' factors")
        return as_plan(known)
    return plan


def _require_plan(plan: Any) -> None:
    if not isinstance(plan, CustomPlan):
        require_choice("plans", plan, PLANS)
        return
    name = plan.name
    if not isinstance(name, str) or name in ("", *PLANS, PRUNED, ORIGINAL) or "." in name:
        raise TrialOptionError(
            "plans", f"has a plan of the name {name!r}; choose another one, without a dot"
        )
    if not plan.factors:
        raise TrialOptionError("plans", f"has {plan.name!r} without factors; name a layer")
    for layer, factor in plan.factors:
        where = f"plans.{plan.name}.factors.{layer}"
        require_number(where, factor, LARGEST_FACTOR, open_at=(True, False))


def _require_advice(advise: AdviseOptions) -> None:
    require_number("advise.budget", advise.budget, LARGEST_BUDGET, open_at=(True, False))
    require_choice("advise.cost", advise.cost, BUDGET_KINDS)
    if advise.multiple is not None:
        require_whole("advise.multiple", advise.multiple, 1, LARGEST_MULTIPLE)
