"""SOSP-H: the exact Hessian along all structures at once, and a saliency for each.

Nonnenmacher et al., "SOSP: Efficiently Capturing Global Correlations by Second-Order Structured
Pruning", ICLR 2022: `λ_H(s) = |θ_s·g| + ½ |θ_s·(H θ_struc)|`.

See docs/method.md, "Definitions" and "Gates".
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from narrows.arrays import Floats
from narrows.batch import Batch
from narrows.channels.structures import NO_STRUCTURE
from narrows.forward_mode.dual import Dual
from narrows.gates.call import Leaf
from narrows.gates.gated_network import GatedNetwork
from narrows.losses import Loss
from narrows.methods.criterion import DEFAULTS, MethodOptions, sorted_by
from narrows.methods.partial_sums import Averages, PartialSums, one_row


def saliencies(averages: Averages) -> Floats:
    """Return λ_H [S], in units of the loss, from `first`, θ_s·g, and `second`, θ_s·(Hθ_struc).

    >>> first, second = np.array([-1.0, 0.5]), np.array([4.0, -1.0])
    >>> saliencies(Averages(0.0, {"first": first, "second": second}, np.empty((0, 2))))
    array([3., 1.])
    """
    result: Floats = np.abs(averages.means["first"]) + 0.5 * np.abs(averages.means["second"])
    return result


order = sorted_by(saliencies)


def measure(
    gated: GatedNetwork, batch: Batch, loss: Loss, _options: MethodOptions = DEFAULTS
) -> PartialSums:
    """Return the partial sums of one batch, as one row, from one forward and one backward pass.

    With the tangents of all gates at one, the forward pass gives `S = ∇ℓ(f)·ḟ = Σ_s ṁ_s ∂L/∂m_s`;
    then ∂S/∂ṁ_s = θ_s·g and ∂S/∂m_s = θ_s·(Hθ_struc).

    >>> from narrows.example import gated_neurons, one_sample
    >>> from narrows.losses import LOSSES
    >>> measure(gated_neurons(), one_sample(), LOSSES["mse"]).sums  # 2 (1, 2) and 2 · 3 (1, 2)
    {'first': array([[2., 4.]]), 'second': array([[ 6., 12.]])}
    """
    output, leaves = gated.along_all(*batch.inputs)
    if not isinstance(output, Dual):  # no structure reaches the output
        values, (first, second) = output, np.zeros((2, gated.structures))
        value = loss(output, batch.targets)
    else:
        values = output.value
        value = loss(values, batch.targets)
        (of_values,) = torch.autograd.grad(value, values, create_graph=True, materialize_grads=True)
        along = (of_values * output.tangent).sum()
        gradients = torch.autograd.grad(
            along, [leaf.both for leaf in leaves], materialize_grads=True
        )
        second, first = _by_structure(leaves, gradients, gated.structures)
    count = loss.count(values.detach(), batch.targets)
    return one_row(value.item(), len(batch), count=count, first=first, second=second)


def _by_structure(leaves: Sequence[Leaf], gradients: Sequence[Tensor], count: int) -> Floats:
    """Return the sums [2, S] of all layers' gradients by structure, always added in one order."""
    structures = torch.cat([leaf.structures for leaf in leaves]).numpy(force=True)
    of_rows = torch.cat(list(gradients), 1).numpy(force=True)
    kept = structures != NO_STRUCTURE
    sums: Floats = np.zeros((2, count))
    for half, rows in zip(sums, of_rows, strict=True):
        np.add.at(half, structures[kept], rows[kept])
    return sums
