"""What the partial sums say of a network: its score, the ranking, the verdicts and worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from narrows.arrays import Floats, Ints
from narrows.channels.reads import places
from narrows.channels.structures import Channels
from narrows.evaluation.baseline import Baseline
from narrows.evaluation.evaluation import Evaluation
from narrows.evaluation.score import Score
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes
from narrows.methods.partial_sums import PartialSums
from narrows.methods.ranking import PruningOrder, require_measured
from narrows.methods.table import DEFAULT, Method
from narrows.options import default_rule
from narrows.plans import budget
from narrows.plans.cost import Cost, network_cost
from narrows.verdict.comparable import Cases
from narrows.verdict.jackknife import replicates
from narrows.verdict.rankings import Rankings
from narrows.verdict.rule import Judge
from narrows.verdict.verdict import Verdict
from narrows.verdict.widen_rank import widen_ranks
from narrows.verdict.worth import CPU, LayerWorth, Worth, worth
from narrows.vocabulary import CostKind, GateKind, RuleName


@dataclass(frozen=True)
class Evidence:
    """What the data say of a network, from the partial sums of all batches.

    Below, magnitude ranks two neurons with the weights 1 and 2:

    >>> import numpy as np
    >>> from narrows.example import two_neurons
    >>> sums = PartialSums(np.array([1.0]), np.array([1]), {"squares": np.array([[1.0, 4.0]])})
    >>> evidence = Evidence(*two_neurons(), sums, Method("magnitude"))
    >>> evidence.saliency, evidence.rank, evidence.structure_costs
    (array([1., 2.]), array([0, 1]), array([1., 1.]))
    """

    network: Network
    shapes: Shapes
    channels: Channels
    partial_sums: PartialSums
    method: Method = DEFAULT
    rule: RuleName | None = None
    """What verdicts rest on; None: worth, if the method measures it, or else the pruning ratio."""
    pruning_ratio: float = 0.5
    cost: CostKind = "structures"
    seed: int = 0
    factors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Plans of one's own: for each name, factors for the widths of layers."""
    evaluation: Evaluation | None = None
    """The network's score on some of the samples, and what an answer without inputs gets."""
    device: torch.device = CPU
    """Where large matrices are inverted."""
    gate: GateKind = "channel"
    """What the gates sat on when the partial sums were measured."""
    known: Rankings | None = None
    """The rankings, where they were computed before from the same sums, method and cost."""

    @property
    def loss(self) -> float:
        """The mean loss of a sample."""
        return self.partial_sums.averages.loss

    @property
    def score(self) -> Score:
        """The mean loss of a sample, and the share of samples that are right."""
        return Score(self.loss, self.partial_sums.accuracy)

    @property
    def samples(self) -> int:
        """The number of samples."""
        return int(self.partial_sums.samples.sum())

    @property
    def baseline(self) -> Baseline | None:
        """What an answer that ignores the input would give; None where that can't be told."""
        return self.evaluation.baseline if self.evaluation else None

    @property
    def doubt(self) -> str | None:
        """Why network and data may not belong together, so that every verdict is withheld."""
        return self.baseline.doubt(self.score) if self.baseline else None

    @property
    def judged_by(self) -> RuleName:
        """The rule of the verdicts."""
        return self.rule or default_rule(self.method.name)

    @cached_property
    def order(self) -> PruningOrder:
        """The order of removal, by saliency over cost.

        Raises NothingMeasuredError where every saliency is 0.
        """
        if self.known:
            return self.known.order
        order = self.method.order(self.partial_sums.averages, self.structure_costs)
        require_measured(order)
        return order

    @property
    def saliency(self) -> Floats:
        """The saliency of each structure, [S], in units of the loss.

        For `fisher` the unit is the loss squared, for `magnitude` that of the weights.
        """
        return self.order.saliency

    @property
    def rank(self) -> Ints:
        """The rank of each structure, [S], 0 being the first to go."""
        return self.order.rank

    @cached_property
    def replicates(self) -> list[PruningOrder]:
        """The orders of removal without each group of batches; empty where there are too few."""
        if self.known:
            return self.known.replicates
        return replicates(self.method, self.partial_sums, self.structure_costs)

    @cached_property
    def structure_costs(self) -> Floats:
        """The cost of each structure, [S], in units of `cost`."""
        return budget.structure_costs(self.channels, self.cost_of, self.cost)

    @cached_property
    def network_cost(self) -> Cost:
        """The parameters and MACs of the network, in all and by layer."""
        return network_cost(self.network, self.shapes, self.channels)

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each layer, by name, by the rule, with the network's score."""
        judge = Judge(
            self.order,
            self.replicates,
            self.pruning_ratio,
            self.samples,
            self.doubt,
            self.judged_by,
            self.worth,
        )
        found = judge.verdicts(self.cases)
        verdicts = {
            layer.name: found.get(layer.own.tobytes(), Verdict("not_prunable"))
            for layer in self.channels.layers
        }
        against = f"; {self.baseline}" if self.baseline else ""
        score = f"{self._why_not_by_worth}; the network has {self.score}{against}"
        return {
            name: replace(verdict, because=f"{verdict.because}{score}")
            if verdict.because and not self.doubt  # which names the score itself
            else verdict
            for name, verdict in verdicts.items()
        }

    @property
    def _why_not_by_worth(self) -> str:
        if self.worth is not None:
            return ""
        return f"; by the rule pruning_ratio, since {self.method.name} does not measure worth"

    @cached_property
    def cases(self) -> Cases:
        """The layers that are judged, those with the same structures as one."""
        return Cases.of(self.channels, places(self.network, self.channels, self.shapes))

    @cached_property
    def worth(self) -> Worth | None:
        """What each structure is worth once all others have adapted; None for other methods.

        Only `sosp_i`, `joint` and `obs` measure what it needs.
        """
        return self.known.worth if self.known else worth(self.partial_sums, self.device)

    @property
    def rankings(self) -> Rankings:
        """The order of removal, its replicates, and worth, to be kept; see `known`."""
        return Rankings(self.order, self.replicates, self.worth)

    @cached_property
    def layer_worth(self) -> dict[str, LayerWorth]:
        """What a channel of each layer is worth, by name."""
        if self.worth is None:
            return {layer.name: LayerWorth() for layer in self.channels.layers}
        return self.worth.of_layers(self.channels)

    @cached_property
    def widen_ranks(self) -> dict[str, int | None]:
        """The rank of each layer in "widen here first", by name, from 1.

        None for layers that can't be widened, where the method does not measure worth, and where
        the analysis is in doubt.
        """
        ranks: dict[bytes, int] = {}
        if self.worth is not None and not self.doubt:
            costs = budget.structure_costs(self.channels, self.cost_of, "parameters")
            ranks = widen_ranks(self.worth, self.cases.owned, costs)
        return {layer.name: ranks.get(layer.own.tobytes()) for layer in self.channels.layers}

    def named(self, verdict: str) -> list[str]:
        """Return the names of the layers with this verdict."""
        return [name for name, of_layer in self.verdicts.items() if of_layer.verdict == verdict]

    def cost_of(self, copies: Ints) -> Cost:
        """Return the network's cost with `copies` [S] of each structure."""
        return network_cost(self.network, self.shapes, self.channels, copies)
