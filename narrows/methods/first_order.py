"""First order: the change of the loss along a structure, `|θ_s·g|`.

See docs/method.md, "Definitions".
"""

import numpy as np

from narrows.arrays import Floats
from narrows.batch import Batch
from narrows.gates.gated_network import GatedNetwork
from narrows.losses import Loss
from narrows.methods.criterion import DEFAULTS, MethodOptions, sorted_by
from narrows.methods.partial_sums import Averages, PartialSums, one_row
from narrows.methods.sample_gradients import sample_gradients


def measure(
    gated: GatedNetwork, batch: Batch, loss: Loss, _options: MethodOptions = DEFAULTS
) -> PartialSums:
    """Return the partial sums `first`, θ_s·g, of one batch, from one backward pass.

    >>> from narrows.example import gated_neurons, one_sample
    >>> from narrows.losses import LOSSES
    >>> measure(gated_neurons(), one_sample(), LOSSES["mse"]).sums["first"]  # 2 (3 − 2) · (1, 2)
    array([[2., 4.]])
    """
    gradients = sample_gradients(gated, batch, loss)
    return one_row(gradients.loss, len(batch), count=gradients.counts, first=gradients.gradient)


def saliencies(averages: Averages) -> Floats:
    """Return `|θ_s·g|` [S], in units of the loss.

    >>> saliencies(Averages(0.0, {"first": np.array([-1.0, 0.5])}, np.empty((0, 2))))
    array([1. , 0.5])
    """
    result: Floats = np.abs(averages.means["first"])
    return result


order = sorted_by(saliencies)
