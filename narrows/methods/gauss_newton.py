"""The Gauss–Newton matrix along structures, as a factor of it.

`θ_sᵀ H_GN θ_s' = 1/N Σ_n (J_n θ_s)ᵀ R_n (J_n θ_s')`, R_n being the loss's Hessian along the outputs
of sample n. With `R_n = Σ_k c_k c_kᵀ` the rows `J_nᵀ c_k` are a factor: one backward pass for each
of the outputs, or one alone, with c drawn so that `E[c cᵀ] = R_n`.

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
    """Return the term `first`, θ_s·g, of one batch, and its rows of the factor.

    Raises ValueError for a loss whose curvature along the outputs is not known.
    """
    exact, draw = loss.columns, loss.draw
    if exact is None or draw is None:
        raise ValueError("the curvature of this loss along the outputs is not known")

    def columns(outputs: Tensor, part: Batch) -> list[Tensor]:
        if options.curvature == "exact":
            return list(exact(outputs, part.targets))
        return [draw(outputs, part.targets, part.generator())]

    found = sample_gradients(gated, batch, loss, columns)
    return one_row(found.loss, len(batch), found.columns.flatten(0, 1), first=found.gradient)


def along_all(averages: Averages) -> Floats:
    """Return θ_s·(H_GN θ_struc), of shape [S].

    >>> along_all(Averages(0.0, {}, np.array([[1.0, 2.0], [0.0, 1.0]])))
    array([3., 7.])
    """
    factor = averages.factor
    result: Floats = factor.T @ factor.sum(1, dtype=np.float64)
    return result
