"""The Gauss–Newton matrix along structures, by a factor.

`θ_sᵀ H_GN θ_s' = 1/N Σ_n (J_n θ_s)ᵀ R_n (J_n θ_s')`, R_n being the loss's Hessian along the outputs
of sample n. With `R_n = Σ_k c_k c_kᵀ` the rows `J_nᵀ c_k` are a factor: one backward pass for each
of the outputs, or a single one, with c drawn so that `E[c cᵀ] = R_n`.

See docs/method.md, "Definitions" and "Gates".
"""

import numpy as np
from torch import Tensor

from narrows.arrays import Floats
from narrows.batch import Batch
from narrows.gates.gated_network import GatedNetwork
from narrows.losses import Loss
from narrows.methods.criterion import DEFAULTS, MethodOptions
from narrows.methods.partial_sums import Averages, PartialSums, one_row
from narrows.methods.sample_gradients import sample_gradients


def measure(
    gated: GatedNetwork, batch: Batch, loss: Loss, options: MethodOptions = DEFAULTS
) -> PartialSums:
    """Return the partial sums `first`, θ_s·g, of one batch, and its rows of the factor.

    Raises ValueError for a loss whose curvature along the outputs is not known.

    >>> from narrows.example import gated_neurons, one_sample
    >>> from narrows.losses import LOSSES
    >>> sums = measure(gated_neurons(), one_sample(), LOSSES["mse"], MethodOptions("exact"))
    >>> np.round(sums.factor.T @ sums.factor, 5)  # 2 · (1, 2)ᵀ (1, 2)
    array([[2., 4.],
           [4., 8.]], dtype=float32)
    """
    exact, draw = loss.columns, loss.draw
    if exact is None or draw is None:
        raise ValueError("the curvature of this loss along the outputs is not known")

    def columns(outputs: Tensor, part: Batch) -> list[Tensor]:
        if options.curvature == "exact":
            return list(exact(outputs, part.targets))
        return [draw(outputs, part.targets, part.generator())]

    gradients = sample_gradients(gated, batch, loss, columns)
    factor = gradients.columns.flatten(0, 1)
    return one_row(gradients.loss, len(batch), factor, gradients.counts, first=gradients.gradient)


def along_all(averages: Averages) -> Floats:
    """Return θ_s·(H_GN θ_struc) [S], in units of the loss: `factorᵀ (factor · 1)`.

    >>> along_all(Averages(0.0, {}, np.array([[1.0, 2.0], [0.0, 1.0]])))
    array([3., 7.])
    """
    factor = averages.factor
    result: Floats = factor.T @ factor.sum(1, dtype=np.float64)
    return result
