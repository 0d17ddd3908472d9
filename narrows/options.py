"""The options of an analysis: parsed once, then passed on as one object."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from narrows.vocabulary import (
    CURVATURE_METHODS,
    DEFAULT_PLANS,
    BudgetKind,
    CostKind,
    Curvature,
    GateKind,
    Init,
    LossName,
    MethodName,
    PlanName,
    RuleName,
)


def default_rule(method: MethodName) -> RuleName:
    """Return what verdicts rest on where a request does not say: worth, if the method measures it.

    >>> default_rule("joint"), default_rule("fisher")
    ('worth', 'pruning_ratio')
    """
    return "worth" if method in CURVATURE_METHODS else "pruning_ratio"


@dataclass(frozen=True)
class CustomPlan:
    """A plan of one's own: factors for the widths of layers, as (layer, factor) pairs."""

    name: str
    factors: tuple[tuple[str, float], ...]


class WithPlans:
    """Options that ask for plans, by name or with factors of one's own."""

    plans: tuple[str | CustomPlan, ...]

    @property
    def custom_plans(self) -> dict[str, dict[str, float]]:
        """The plans of one's own: for each name, factors for the widths of layers."""
        own = (plan for plan in self.plans if isinstance(plan, CustomPlan))
        return {plan.name: dict(plan.factors) for plan in own}

    @property
    def plan_names(self) -> list[str]:
        """The names of all plans, those of one's own among them."""
        return [plan.name if isinstance(plan, CustomPlan) else plan for plan in self.plans]


@dataclass(frozen=True)
class AdviseOptions:
    """The options of the plan `advise`: how much of what it may spend, and how it rounds widths.

    `budget` is a share of the network's `cost`; `multiple` None: of 8 from 64 channels on.
    """

    budget: float = 0.1
    cost: BudgetKind = "parameters"
    multiple: int | None = None


@dataclass(frozen=True)
class AnalysisOptions(WithPlans):
    """The options of an analysis, with their defaults; see the API's description for each.

    >>> options = AnalysisOptions.from_json({"method": "joint", "exclude": ["head"]})
    >>> options.method, options.exclude, options.pruning_ratio
    ('joint', ('head',), 0.5)
    >>> plan = {"name": "mine", "factors": {"conv1": 1.5}}
    >>> options = AnalysisOptions.from_json({"plans": ["double", plan]})
    >>> options.plan_names, options.custom_plans
    (['double', 'mine'], {'mine': {'conv1': 1.5}})
    """

    method: MethodName = "sosp_i"
    gate: GateKind = "channel"
    rule: RuleName | None = None
    loss: LossName = "cross_entropy"
    curvature: Curvature | None = None
    blocks: int | None = None
    pruning_ratio: float = 0.5
    max_samples: int = 4096
    batch_size: int = 64
    seed: int = 0
    exclude: tuple[str, ...] = ()
    cost: CostKind = "structures"
    plans: tuple[PlanName | CustomPlan, ...] = DEFAULT_PLANS
    advise: AdviseOptions | None = None
    build: tuple[str, ...] = ()
    init: Init = "preserve"
    time_limit_seconds: int | None = None
    memory_bytes: int | None = None

    @classmethod
    def from_json(cls, request: Mapping[str, Any]) -> "AnalysisOptions":
        """Return the options in a request that the API has accepted, with defaults for the rest."""
        options = {f.name: request[f.name] for f in fields(cls) if f.name in request}
        options |= {name: tuple(options[name]) for name in ("exclude", "build") if name in options}
        if "plans" in options:
            options["plans"] = tuple(map(as_plan, options["plans"]))
        if options.get("advise"):
            options["advise"] = AdviseOptions(**options["advise"])
        return cls(**options)


def as_plan(plan: Any) -> Any:
    """Return a plan of a request: its name, or the factors of one's own.

    >>> as_plan({"name": "mine", "factors": {"conv1": 1.5}})
    CustomPlan(name='mine', factors=(('conv1', 1.5),))
    """
    if isinstance(plan, str):
        return plan
    return CustomPlan(plan["name"], tuple(plan["factors"].items()))
