"""What may be asked of an analysis: parsed once, then passed on whole."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

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


@dataclass(frozen=True)
class CustomPlan:
    """Factors for the widths of layers, as (layer, factor) pairs."""

    name: str
    factors: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class AnalysisOptions:
    """The options of an analysis, with their defaults; the API's description says what each means.

    >>> options = AnalysisOptions.from_json({"method": "joint", "exclude": ["head"]})
    >>> options.method, options.exclude, options.pruning_ratio
    ('joint', ('head',), 0.5)
    """

    method: MethodName = "sosp_i"
    gate: GateKind = "channel"
    loss: LossName = "cross_entropy"
    curvature: Curvature | None = None
    blocks: int | None = None
    pruning_ratio: float = 0.5
    max_samples: int = 4096
    batch_size: int = 64
    seed: int = 0
    exclude: tuple[str, ...] = ()
    cost: CostKind = "structures"
    plans: tuple[PlanName | CustomPlan, ...] = PLANS
    build: tuple[str, ...] = ()
    init: Init = "preserve"
    time_limit_seconds: int | None = None
    memory_bytes: int | None = None

    @classmethod
    def from_json(cls, request: Mapping[str, Any]) -> "AnalysisOptions":
        """Return the options in a request that the API has accepted; what it lacks is as usual."""
        given = {f.name: request[f.name] for f in fields(cls) if f.name in request}
        given |= {name: tuple(given[name]) for name in ("exclude", "build") if name in given}
        if "plans" in given:
            given["plans"] = tuple(map(_plan, given["plans"]))
        return cls(**given)

    @property
    def custom_plans(self) -> dict[str, dict[str, float]]:
        """The plans of one's own: for each name, factors for the widths of layers."""
        own = (plan for plan in self.plans if isinstance(plan, CustomPlan))
        return {plan.name: dict(plan.factors) for plan in own}

    @property
    def plan_names(self) -> list[str]:
        return [plan.name if isinstance(plan, CustomPlan) else plan for plan in self.plans]


def _plan(given: Any) -> Any:
    if isinstance(given, str):
        return given
    return CustomPlan(given["name"], tuple(given["factors"].items()))
