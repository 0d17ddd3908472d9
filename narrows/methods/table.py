"""The methods by name. A new one is a file with its `measure` and `order`, and a row here."""

from collections.abc import Mapping
from dataclasses import dataclass

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
    obs,
    sosp_h,
    sosp_i,
)
from narrows.methods.criterion import Criterion, MethodOptions
from narrows.methods.partial_sums import Averages, PartialSums
from narrows.methods.ranking import PruningOrder
from narrows.vocabulary import Curvature, MethodName

CRITERIA: Mapping[MethodName, Criterion] = {
    "sosp_h": Criterion(sosp_h.measure, sosp_h.order),
    "sosp_i": Criterion(gauss_newton.measure, sosp_i.order),
    "joint": Criterion(gauss_newton.measure, joint.order),
    "obs": Criterion(gauss_newton.measure, obs.order),
    "first_order": Criterion(first_order.measure, first_order.order),
    "fisher": Criterion(fisher.measure, fisher.order),
    "magnitude": Criterion(magnitude.measure, magnitude.order),
    "magnitude_relative": Criterion(magnitude.measure, magnitude.relative_order),
    "exact": Criterion(exact.measure, exact.order),
}


@dataclass(frozen=True)
class Method:
    """A criterion by name; only the methods that weigh pairs use `curvature` and `blocks`.

    Which of several equal structures goes first is drawn by `seed`.

    >>> from narrows.example import gated_neurons, one_sample
    >>> from narrows.losses import LOSSES
    >>> method = Method("first_order")
    >>> sums = method.measure(gated_neurons(), one_sample(), LOSSES["mse"])
    >>> method.order(sums.averages)  # |θ_s·g| is (2, 4)
    PruningOrder(saliency=array([2., 4.]), rank=array([0, 1]), mean_rank=array([0., 1.]))
    """

    name: MethodName = "sosp_i"
    curvature: Curvature = "sampled"
    blocks: int | None = None
    seed: int = 0

    def measure(self, gated: GatedNetwork, batch: Batch, loss: Loss) -> PartialSums:
        """Return a batch's partial sums, as one row."""
        return CRITERIA[self.name].measure(gated, batch, loss, self._options)

    def order(self, averages: Averages, costs: Floats | float = 1.0) -> PruningOrder:
        """Return the order of removal, by saliency over costs [S] (or one cost for all)."""
        return CRITERIA[self.name].order(averages, costs, self._options)

    @property
    def _options(self) -> MethodOptions:
        return MethodOptions(self.curvature, self.blocks, self.seed)


DEFAULT = Method()
"""The method that names planted bottlenecks best (`benchmarks.planted`, RESULTS.md)."""


def second_order(averages: Averages) -> Floats | None:
    """Return θ_s·(Hθ_struc) [S], of the Hessian or its Gauss–Newton part; None without either.

    >>> import numpy as np
    >>> second_order(Averages(0.0, {}, np.array([[1.0, 2.0]])))  # (1, 2)ᵀ (1 + 2)
    array([3., 6.])
    """
    if len(averages.factor):
        return gauss_newton.along_all(averages)
    return averages.means.get("second")
