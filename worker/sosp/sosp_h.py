"""SOSP-H: the exact Hessian along all structures at once, and a saliency for each (METHOD §1, §2).

Nonnenmacher et al., "SOSP: Efficiently Capturing Global Correlations by Second-Order Structured
Pruning", ICLR 2022: `λ_H(s) = |θ_s·g| + ½ |θ_s·(H θ_struc)|`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.sosp.channels import NO_STRUCTURE
from worker.sosp.dual import Dual
from worker.sosp.gated_call import Leaf
from worker.sosp.gates import GatedNetwork
from worker.sosp.losses import Loss

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """Sums over samples, one row a batch, in float64; rows of different shards are just stacked.

    `first[b, s]` is the sum of `θ_s·g`, `second[b, s]` that of `θ_s·(H θ_struc)`, `loss[b]` that of
    the loss, over the `samples[b]` samples of batch b.
    """

    first: Floats
    second: Floats
    loss: Floats
    samples: NDArray[np.int64]

    @classmethod
    def stack(cls, parts: Iterable["Terms"]) -> "Terms":
        """Join the rows of several shards, in their order."""
        columns = zip(*((p.first, p.second, p.loss, p.samples) for p in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    def in_one_row(self) -> "Terms":
        """Add up the rows, as if their samples had been one batch."""
        return Terms(*(column.sum(axis=0, keepdims=True) for column in vars(self).values()))

    def means(self) -> tuple[Floats, Floats, float]:
        """Return θ_s·g and θ_s·(Hθ_struc), each of shape [S], and the loss, per sample.

        Rows are added one after the other, so that any partition into shards gives the same bits.
        """
        total = int(self.samples.sum())
        first, second, loss = (
            np.add.accumulate(column)[-1] / total for column in (self.first, self.second, self.loss)
        )
        return first, second, float(loss)


def saliencies(first: Floats, second: Floats) -> Floats:
    """Return λ_H, in units of the loss, from θ_s·g and θ_s·(Hθ_struc).

    >>> saliencies(np.array([-1.0, 0.5]), np.array([4.0, -1.0]))
    array([3., 1.])
    """
    result: Floats = np.abs(first) + 0.5 * np.abs(second)
    return result


def batch_terms(
    gated: GatedNetwork, structures: int, inputs: Sequence[Tensor], targets: Tensor, loss: Loss
) -> Terms:
    """Return the terms of one batch, as a single row, from one forward and one backward pass.

    With the tangents of all gates at one, the forward pass gives `S = ∇ℓ(f)·ḟ = Σ_s ṁ_s ∂L/∂m_s`;
    then ∂S/∂ṁ_s = θ_s·g and ∂S/∂m_s = θ_s·(Hθ_struc).
    """
    outputs, leaves = gated(*inputs)
    output = outputs[0]
    if not isinstance(output, Dual):  # no structure reaches the output
        value, first, second = loss(output, targets), np.zeros(structures), np.zeros(structures)
    else:
        value, along = torch.func.jvp(
            lambda f: loss(f, targets), (output.value,), (output.tangent,)
        )[:2]
        gates = [leaf.tangent for leaf in leaves] + [leaf.value for leaf in leaves]
        gradients = torch.autograd.grad(along, gates, materialize_grads=True)
        first = _by_structure(leaves, gradients[: len(leaves)], structures)
        second = _by_structure(leaves, gradients[len(leaves) :], structures)
    return Terms(first[None], second[None], np.array([value.item()]), np.array([len(targets)]))


def _by_structure(leaves: Sequence[Leaf], gradients: Sequence[Tensor], count: int) -> Floats:
    """Add up what the rows of all layers say of their structures, always in the same order."""
    structures = torch.cat([leaf.structures for leaf in leaves]).numpy(force=True)
    of_rows = torch.cat(list(gradients)).numpy(force=True)
    kept = structures != NO_STRUCTURE
    sums: Floats = np.zeros(count)
    np.add.at(sums, structures[kept], of_rows[kept])
    return sums
