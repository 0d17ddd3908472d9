"""The methods by name: what each measures of a batch, and the order of removal that follows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from narrows.arrays import Floats
from narrows.batch import Batch
from narrows.gates.gated_network import GatedNetwork
from narrows.losses import Loss
from narrows.methods import (
    exact,
    first_order,
    fisher,
    gauss_newton,
    joint,
    magnitude,
    ranking,
    sosp_h,
    sosp_i,
)
from narrows.methods.gauss_newton import Curvature
from narrows.methods.partial_sums import Averages, Terms
from narrows.methods.ranking import Removal

MethodName = Literal[
    "sosp_h",
    "sosp_i",
    "joint",
    "first_order",
    "fisher",
    "magnitude",
    "magnitude_relative",
    "exact",
]
METHODS: tuple[MethodName, ...] = get_args(MethodName)
PAIRWISE = frozenset({"sosp_i", "joint"})
"""The methods that weigh pairs of structures, by the Gauss–Newton matrix."""

_MEASURES: Mapping[str, Callable[[GatedNetwork, Batch, Loss], Terms]] = {
    "sosp_h": sosp_h.measure,
    "first_order": first_order.measure,
    "fisher": fisher.measure,
    "magnitude": magnitude.measure,
    "magnitude_relative": magnitude.measure,
    "exact": exact.measure,
}
_SALIENCIES: Mapping[str, Callable[[Averages], Floats]] = {
    "sosp_h": sosp_h.saliencies,
    "first_order": first_order.saliencies,
    "fisher": fisher.saliencies,
    "magnitude": magnitude.saliencies,
    "magnitude_relative": magnitude.relative_saliencies,
    "exact": exact.saliencies,
}


@dataclass(frozen=True)
class Method:
    """A method by name; `curvature` and `blocks` are for those of pairs."""

    name: MethodName = "sosp_i"
    curvature: Curvature = "sampled"
    blocks: int | None = None

    def measure(self, gated: GatedNetwork, batch: Batch, loss: Loss) -> Terms:
        """Return a batch's terms, as one row."""
        if self.name in PAIRWISE:
            return gauss_newton.measure(gated, batch, loss, self.curvature)
        return _MEASURES[self.name](gated, batch, loss)

    def order(self, averages: Averages, prices: Floats | float = 1.0) -> Removal:
        """Return what goes first, by saliency over prices [S] (or one price for all)."""
        if self.name == "sosp_i":
            return sosp_i.order(averages, prices, self.blocks)
        if self.name == "joint":
            return joint.order(averages, prices, self.blocks)
        saliency = _SALIENCIES[self.name](averages)
        return Removal(saliency, ranking.ranks(np.asarray(saliency / prices)))


DEFAULT = Method()
"""What `benchmarks.planted` favours (RESULTS.md)."""


def second_order(averages: Averages) -> Floats | None:
    """Return θ_s·(Hθ_struc) [S], of the Hessian or its Gauss–Newton part; None without either."""
    if len(averages.factor):
        return gauss_newton.along_all(averages)
    return averages.means.get("second")
