"""The type of a criterion: what it measures on a batch, and the order of removal that follows."""

from collections.abc import Callable
from dataclasses import dataclass

from narrows.arrays import Floats
from narrows.batch import Batch
from narrows.gates.gated_network import GatedNetwork
from narrows.losses import Loss
from narrows.methods.partial_sums import Averages, PartialSums
from narrows.methods.ranking import PruningOrder, ranked
from narrows.vocabulary import Curvature


@dataclass(frozen=True)
class MethodOptions:
    """Options of a method; only those that weigh pairs of structures use curvature and blocks.

    `curvature` is `sampled` (one row of the factor for each sample) or `exact` (one for each sample
    and output). `blocks` is the number of greedy steps; None: one for each structure, if it fits.
    All methods draw by `seed` which of several equal structures goes first.
    """

    curvature: Curvature = "sampled"
    blocks: int | None = None
    seed: int = 0


DEFAULTS = MethodOptions()

Measure = Callable[[GatedNetwork, Batch, Loss, MethodOptions], PartialSums]
"""Return a batch's partial sums, as one row."""
Order = Callable[[Averages, Floats | float, MethodOptions], PruningOrder]
"""Return the order of removal, by saliency over costs [S] (or one cost for all)."""


@dataclass(frozen=True)
class Criterion:
    """A row of the table of methods."""

    measure: Measure
    order: Order


def sorted_by(saliencies: Callable[[Averages], Floats]) -> Order:
    """Return the order of a criterion whose saliencies do not depend on earlier removals.

    >>> import numpy as np
    >>> order = sorted_by(lambda averages: np.array([3.0, 1.0, 2.0]))
    >>> order(Averages(0.0, {}, np.empty((0, 3))), 1.0, DEFAULTS).rank
    array([2, 0, 1])
    >>> order(Averages(0.0, {}, np.empty((0, 3))), np.array([6.0, 1.0, 1.0]), DEFAULTS).rank
    array([0, 1, 2])
    """

    def order(averages: Averages, costs: Floats | float, options: MethodOptions) -> PruningOrder:
        return ranked(saliencies(averages), costs, options.seed)

    return order
