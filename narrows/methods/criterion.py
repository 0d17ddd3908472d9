"""What a criterion is: what it measures of a batch, and the order of removal that follows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from narrows.arrays import Floats
from narrows.batch import Batch
from narrows.gates.gated_network import GatedNetwork
from narrows.losses import Loss
from narrows.methods.partial_sums import Averages, PartialSums
from narrows.methods.ranking import PruningOrder, ranked
from narrows.vocabulary import Curvature


@dataclass(frozen=True)
class MethodOptions:
    """What methods that weigh pairs of structures may be told; the others have no choice."""

    curvature: Curvature = "sampled"
    blocks: int | None = None


DEFAULTS = MethodOptions()

Measure = Callable[[GatedNetwork, Batch, Loss, MethodOptions], PartialSums]
"""Return a batch's partial sums, as one row."""
Order = Callable[[Averages, Floats | float, MethodOptions], PruningOrder]
"""Return what goes first, by saliency over costs [S] (or one cost for all)."""


@dataclass(frozen=True)
class Criterion:
    """A row of the table of methods."""

    measure: Measure
    order: Order


def sorted_by(saliencies: Callable[[Averages], Floats]) -> Order:
    """Return the order of a criterion whose saliencies do not depend on what has gone already."""

    def order(averages: Averages, costs: Floats | float, _options: MethodOptions) -> PruningOrder:
        saliency = saliencies(averages)
        return PruningOrder(saliency, ranked(np.asarray(saliency / costs)))

    return order
