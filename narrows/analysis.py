"""The result of an analysis: ranking, verdicts and plans from the partial sums of all batches."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from narrows.arguments import (
    ArgumentError,
    require_advice,
    require_choice,
    require_cost,
    require_init,
    require_ratio,
)
from narrows.evaluation.removals import RATIOS, Effect, Removals
from narrows.evidence import Evidence
from narrows.plans import advise, budget
from narrows.plans.planner import Plan, Planner
from narrows.report.of_analysis import drawing_of, findings_of
from narrows.report.report import Report
from narrows.results import expected_gains, rows, table
from narrows.results.expected_gains import ExpectedGains
from narrows.surgery import SurgeryError, resize
from narrows.surgery.built import Built, build
from narrows.vocabulary import ADVISE, BudgetKind, CostKind, Init


@dataclass(frozen=True)
class Analysis(Evidence):
    """The analysis of a network: its layers and structures, verdicts, and plans to change it.

    Below, magnitude ranks two neurons with the weights 1 and 2:

    >>> import numpy as np
    >>> from narrows.example import two_neurons
    >>> from narrows.methods.partial_sums import PartialSums
    >>> from narrows.methods.table import Method
    >>> sums = PartialSums(np.array([1.0]), np.array([1]), {"squares": np.array([[1.0, 4.0]])})
    >>> analysis = Analysis(*two_neurons(), sums, Method("magnitude"))
    >>> analysis.saliency, analysis.rank
    (array([1., 2.]), array([0, 1]))
    >>> analysis
    layer   width  pruned  worth  promise  95 %  widen  verdict
    hidden      2     50%                               undecided
    output      1                                       not_prunable
    1 sample, loss 1
    >>> analysis.prune(0.5).network.tensors["hidden.weight"]
    tensor([[2.]])
    """

    @cached_property
    def removals(self) -> Removals:
        """The measured effect of global prunings by growing ratios; empty without samples."""
        return Removals(tuple((ratio, self._effect_of_pruning(ratio)) for ratio in RATIOS))

    def _effect_of_pruning(self, ratio: float) -> Effect | None:
        """Return the scores before and after; None without samples, or where it can't be done."""
        if self.evaluation is None or self.evaluation.before is None:
            return None
        copies = self.pruned(ratio).copies
        try:
            pruned = resize(self.network, self.channels, copies, shapes=self.shapes)
        except SurgeryError:
            return None
        return self.evaluation.effect(pruned)

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """The plans by name: double, uniform, reallocate, and those of one's own; see `advise`."""
        planner = self._planner
        bottlenecks, redundant = (self._groups(self.named(v)) for v in ("bottleneck", "redundant"))
        plans = [
            planner.double(bottlenecks),
            planner.uniform(bottlenecks),
            planner.reallocate(bottlenecks, redundant),
        ]
        for name, factors in self.factors.items():
            plans.append(planner.custom(self._group_factors(factors), name))
        return {plan.name: plan for plan in plans}

    @cached_property
    def expected_gains(self) -> dict[str, ExpectedGains]:
        """What layers gain for one percent more parameters or MACs, by name, where that is known.

        `gain_basis` says what this rests on, or why there is none.
        """
        return expected_gains.expected_gains(self)

    @property
    def gain_basis(self) -> str:
        """What expected gains rest on, and how this network differs, or why there are none."""
        return expected_gains.basis(self)

    def advise(
        self, budget: float = 0.1, cost: BudgetKind = "parameters", multiple: int | None = None
    ) -> Plan:
        """Return the plan that widens where a channel is worth most for what it costs.

        `budget` is the share of the network's parameters or MACs that it may add. New widths are
        multiples of `multiple`, by default of 8 from 64 channels on. `because` says what it rests
        on. It changes nothing where the analysis is in doubt.

        Raises ArgumentError for wrong arguments, and for methods that do not measure worth: all but
        `sosp_i`, `joint` and `obs`.
        """
        require_advice(budget, cost, multiple)
        if self.worth is None:
            raise ArgumentError(
                f"the plan {ADVISE!r} needs worth, which {self.method.name!r} does not measure; "
                "choose the method 'sosp_i', 'joint' or 'obs'"
            )
        if self.doubt:
            return advise.unchanged(self._planner, self.doubt)
        groups = self.channels.groups
        values = {g: self.worth.of(np.flatnonzero(groups == g)) for g in np.unique(groups).tolist()}
        advisor = advise.Advisor(self._planner, values, budget, cost, multiple, self.seed)
        return advisor.plan()

    def widen(self, plan: str | Plan = "double", init: Init = "preserve") -> Built:
        """Return the network of a plan; train its `module()`, write it with `save(path)`.

        With `preserve` it computes what this network computes; with `fresh` new channels get new
        initial numbers. Raises SurgeryError where an operator can't follow, and ArgumentError for a
        plan that there is not.
        """
        require_init(init)
        if not isinstance(plan, Plan):
            require_choice("plan", plan, (*self.plans, ADVISE))
            plan = self.advise() if plan == ADVISE else self.plans[plan]
        if len(copies := plan.copies) != len(self.channels):
            raise ArgumentError(f"the plan {plan.name!r} is of another network")
        built = build(self.network, self.channels, copies, self.shapes, init=init, seed=self.seed)
        evaluation = self.evaluation
        return replace(built, effect=evaluation.effect(built.network)) if evaluation else built

    def prune(self, ratio: float | None = None, cost: CostKind | None = None) -> Built:
        """Return the network without its lowest structures; `ratio` of the cost is saved.

        Raises ArgumentError unless `ratio` lies between 0 and 1.
        """
        return self.widen(self.pruned(ratio, cost))

    def pruned(self, ratio: float | None = None, cost: CostKind | None = None) -> Plan:
        """Return the plan of a global pruning that saves `ratio` of the cost."""
        if ratio is not None:
            require_ratio("ratio", ratio)
        if cost is not None:
            require_cost(cost)
        copies = budget.prune_to_ratio(
            self.channels,
            self.rank,
            self.pruning_ratio if ratio is None else ratio,
            self.cost_of,
            cost or self.cost,
        )
        return self._planner.resized("pruned", copies)

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """A row for each layer, in the network's order."""
        return rows.layer_rows(self)

    @cached_property
    def structures(self) -> list[dict[str, Any]]:
        """A row for each structure."""
        return rows.structure_rows(self)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The score, what it is held against, what removals cost, and the layers by verdict."""
        return rows.summary(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all results in the API's shapes, ready for JSON."""
        return {
            "summary": self.summary,
            "layers": self.layers,
            "structures": self.structures,
            "plans": [plan.to_dict() for plan in self.plans.values()],
        }

    def report(self, title: str = "Network") -> Report:
        """Return the report: a notebook shows it, `save(path)` writes .html, .md or .svg."""
        return Report(findings_of(self, title))

    def __repr__(self) -> str:
        return table.as_text(self)

    def _repr_html_(self) -> str:
        """Return the drawing and the table that a notebook shows."""
        return f"{drawing_of(self)}{table.as_html(self)}"

    @property
    def _planner(self) -> Planner:
        return Planner(self.network, self.shapes, self.channels, self.rank)

    def _groups(self, names: Collection[str]) -> list[int]:
        """Return the groups of the named layers, each once."""
        named = (layer.own for layer in self.channels.layers if layer.name in names)
        structures = np.concatenate([np.empty(0, np.int64), *named])
        return sorted(set(self.channels.groups[structures].tolist()))

    def _group_factors(self, factors: Mapping[str, float]) -> dict[int, float]:
        return {group: f for name, f in factors.items() for group in self._groups([name])}
