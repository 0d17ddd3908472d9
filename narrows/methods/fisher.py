"""Fisher: the mean square of each sample's own derivative along a structure.

See docs/method.md, "Definitions".
"""

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
    """Return the partial sums `first`, θ_s·g, and `squares`, (θ_s·g_n)² summed over samples n.

    >>> from narrows.example import gated_neurons, one_sample
    >>> from narrows.losses import LOSSES
    >>> measure(gated_neurons(), one_sample(), LOSSES["mse"]).sums["squares"]  # (2, 4) squared
    array([[ 4., 16.]])
    """
    gradients = sample_gradients(gated, batch, loss)
    squares = gradients.gradient.double().square()
    sums = {"first": gradients.gradient, "squares": squares}
    return one_row(gradients.loss, len(batch), count=gradients.counts, **sums)


def saliencies(averages: Averages) -> Floats:
    """Return `1/N Σ_n (θ_s·g_n)²` [S], in units of the loss squared.

    >>> import numpy as np
    >>> saliencies(Averages(0.0, {"squares": np.array([4.0, 0.25])}, np.empty((0, 2))))
    array([4.  , 0.25])
    """
    return averages.means["squares"]


order = sorted_by(saliencies)
