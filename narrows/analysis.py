"""What the partial sums of all batches say of a network: ranking, verdicts and plans."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from narrows.arrays import Floats, Ints
from narrows.channels.structures import Channels, Layer
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes
from narrows.methods import ranking
from narrows.methods.partial_sums import PartialSums
from narrows.methods.ranking import PruningOrder
from narrows.methods.table import DEFAULT, Method, second_order
from narrows.plans import budget
from narrows.plans.cost import Cost, network_cost
from narrows.plans.planner import Plan, Planner
from narrows.surgery.built import Built, build
from narrows.verdict.jackknife import replicates
from narrows.verdict.rule import Verdict, judge
from narrows.vocabulary import CostKind, Init


@dataclass(frozen=True)
class Analysis:
    """What the partial sums say of a network: layers, structures, and plans to change it."""

    network: Network
    shapes: Shapes
    channels: Channels
    partial_sums: PartialSums
    method: Method = DEFAULT
    pruning_ratio: float = 0.5
    cost: CostKind = "structures"
    seed: int = 0
    factors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Plans of one's own: for each name, factors for the widths of layers."""

    @property
    def loss(self) -> float:
        """The loss per sample."""
        return self.partial_sums.averages.loss

    @cached_property
    def order(self) -> PruningOrder:
        """The order in which structures go; it goes by saliency over cost."""
        return self.method.order(self.partial_sums.averages, self.structure_costs)

    @property
    def saliency(self) -> Floats:
        """The saliency of each structure, [S]: in units of the loss for all but `magnitude`."""
        return self.order.saliency

    @property
    def rank(self) -> Ints:
        """The rank of each structure, [S], 0 being the first to go."""
        return self.order.rank

    @cached_property
    def structure_costs(self) -> Floats:
        """What each structure costs, [S]; the ranking goes by saliency over cost."""
        return budget.structure_costs(self.channels, self._cost_of, self.cost)

    @cached_property
    def network_cost(self) -> Cost:
        """What the network costs, whole and by layer."""
        return network_cost(self.network, self.shapes, self.channels)

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each layer, by name."""
        return judge(
            self.channels,
            self.rank,
            replicates(self.method, self.partial_sums, self.structure_costs),
            self.pruning_ratio,
            int(self.partial_sums.samples.sum()),
        )

    def named(self, verdict: str) -> list[str]:
        """Return the names of the layers that have this verdict."""
        return [name for name, found in self.verdicts.items() if found.verdict == verdict]

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """The plans by name: double, uniform, reallocate, and those of one's own."""
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

    def widen(self, plan: str | Plan = "double", init: Init = "preserve") -> Built:
        """Return the network that a plan describes; its `module()` trains, `save(path)` keeps it.

        `preserve` computes what this one computes, `fresh` begins new channels anew. Raises
        SurgeryError where an operator can't follow.
        """
        copies = (self.plans[plan] if isinstance(plan, str) else plan).copies
        return build(self.network, self.channels, copies, self.shapes, init=init, seed=self.seed)

    def prune(self, ratio: float | None = None, cost: CostKind | None = None) -> Built:
        """Return the network without its lowest structures, `ratio` of the cost being saved."""
        return self.widen(self.pruned(ratio, cost))

    def pruned(self, ratio: float | None = None, cost: CostKind | None = None) -> Plan:
        """Return the plan of a global pruning."""
        copies = budget.prune_to_ratio(
            self.channels,
            self.rank,
            self.pruning_ratio if ratio is None else ratio,
            self._cost_of,
            cost or self.cost,
        )
        return self._planner.resized("pruned", copies)

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """One row a layer, in the network's order."""
        return [
            {
                **describe_layer(layer, self.network_cost),
                **vars(self.verdicts[layer.name]),
                "sweep": ranking.sweep(self.rank, layer) if layer.group is not None else [],
            }
            for layer in self.channels.layers
        ]

    @cached_property
    def structures(self) -> list[dict[str, Any]]:
        """One row a structure."""
        averages = self.partial_sums.averages
        first, second = averages.means.get("first"), second_order(averages)
        return [
            {
                "group": int(self.channels.groups[s]),
                "channel": int(self.channels.positions[s]),
                "saliency": float(self.saliency[s]),
                "first_order": None if first is None else float(first[s]),
                "second_order": None if second is None else float(second[s]),
                "rank": int(self.rank[s]),
                "members": members,
            }
            for s, members in enumerate(self.channels.members())
        ]

    @property
    def summary(self) -> dict[str, Any]:
        """What to say in a line or two."""
        return {
            "loss": self.loss,
            "structures": len(self.channels),
            "samples": int(self.partial_sums.samples.sum()),
            "pruning_ratio": self.pruning_ratio,
            "bottlenecks": self.named("bottleneck"),
            "suspected": self.named("suspected"),
            "redundant": self.named("redundant"),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything found, ready for JSON, in the shapes of the API."""
        return {
            "summary": self.summary,
            "layers": self.layers,
            "structures": self.structures,
            "plans": [plan.to_dict() for plan in self.plans.values()],
        }

    def __repr__(self) -> str:
        lines = [f"{'layer':<32} {'width':>6} {'pruned':>7} {'score':>6}  verdict"]
        for row in self.layers:
            ratio = "" if row["pruning_ratio"] is None else f"{row['pruning_ratio']:.0%}"
            score = "" if row["score"] is None else f"{row['score']:.2f}"
            name, verdict = row["name"][-32:], row["verdict"]
            lines.append(f"{name:<32} {row['width']:>6} {ratio:>7} {score:>6}  {verdict}")
        return "\n".join(lines)

    def _cost_of(self, copies: Ints) -> Cost:
        return network_cost(self.network, self.shapes, self.channels, copies)

    @property
    def _planner(self) -> Planner:
        return Planner(self.channels, self.rank, self._cost_of)

    def _groups(self, names: Collection[str]) -> list[int]:
        """Return the groups of layers, each once."""
        found = (layer.group for layer in self.channels.layers if layer.name in names)
        return sorted({group for group in found if group is not None})

    def _group_factors(self, factors: Mapping[str, float]) -> dict[int, float]:
        return {group: f for name, f in factors.items() for group in self._groups([name])}


def describe_layer(layer: Layer, costs: Cost) -> dict[str, Any]:
    """Return what a layer is and costs."""
    parameters, macs = costs.layers[layer.name]
    return {
        "name": layer.name,
        "op": layer.op,
        "group": layer.group,
        "width": layer.width,
        "parameters": parameters,
        "macs": macs,
        "reason": layer.reason and f"Its channels can't be pruned: {layer.reason}.",
    }
