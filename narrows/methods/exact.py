"""Exact: the true change of the loss when one structure alone is removed; no approximation.

See docs/method.md, "Definitions".
"""

import torch

from narrows.arrays import Floats
from narrows.batch import Batch
from narrows.gates.gated_network import GatedNetwork
from narrows.losses import Loss
from narrows.methods.criterion import DEFAULTS, MethodOptions, sorted_by
from narrows.methods.partial_sums import Averages, PartialSums, one_row


def measure(
    gated: GatedNetwork, batch: Batch, loss: Loss, _options: MethodOptions = DEFAULTS
) -> PartialSums:
    """Return the partial sums `change`, `L(m_s = 0) − L(m = 1)`, of one batch.

    It takes S + 1 forward passes.

    >>> from narrows.example import gated_neurons, one_sample
    >>> from narrows.losses import LOSSES
    >>> measure(gated_neurons(), one_sample(), LOSSES["mse"]).sums["change"]  # 0 − 1 and 1 − 1
    array([[-1.,  0.]])
    """
    ones = torch.ones(1, gated.structures, device=batch.targets.device)
    with torch.no_grad():
        outputs = gated.at(ones, *batch.inputs)
        before = loss(outputs, batch.targets).double()
        change = torch.zeros(gated.structures, dtype=torch.float64)
        for structure in range(gated.structures):
            m = ones.clone()
            m[0, structure] = 0
            change[structure] = loss(gated.at(m, *batch.inputs), batch.targets).double() - before
    count = loss.count(outputs, batch.targets)
    return one_row(before.item(), len(batch), count=count, change=change)


def saliencies(averages: Averages) -> Floats:
    """Return the change of the loss [S]; it is negative where a removal lowers the loss.

    >>> import numpy as np
    >>> saliencies(Averages(1.0, {"change": np.array([-1.0, 0.0])}, np.empty((0, 2))))
    array([-1.,  0.])
    """
    return averages.means["change"]


order = sorted_by(saliencies)
