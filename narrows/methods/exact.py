"""The yardstick: the true change of the loss when a structure alone is removed.

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
    """Return the term `change` of one batch: S + 1 forward passes."""
    one = torch.ones(1, gated.structures, device=batch.targets.device)
    with torch.no_grad():
        before = loss(gated.at(one, *batch.inputs), batch.targets).double()
        change = torch.zeros(gated.structures, dtype=torch.float64)
        for structure in range(gated.structures):
            m = one.clone()
            m[0, structure] = 0
            change[structure] = loss(gated.at(m, *batch.inputs), batch.targets).double() - before
    return one_row(before.item(), len(batch), change=change[None])


def saliencies(averages: Averages) -> Floats:
    """Return the change of the loss [S]; below zero where removing a structure mends something."""
    return averages.means["change"]


order = sorted_by(saliencies)
