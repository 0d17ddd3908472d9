"""The derivatives of each sample along each gate, from one backward pass.

See docs/method.md, "Gates".
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from narrows.batch import Batch
from narrows.gates.call import MixedSamplesError
from narrows.gates.gated_network import GatedNetwork
from narrows.losses import Count, Loss

Columns = Callable[[Tensor, Batch], Iterable[Tensor]]
"""(outputs, batch) → directions along the outputs, each of their shape."""


def _no_columns(_outputs: Tensor, _batch: Batch) -> Iterable[Tensor]:
    return ()


TOLERANCE = 1e-3
"""Relative to the largest derivative; samples that influence each other differ by about one."""


class SampleGradients(NamedTuple):
    """The derivatives of n samples along S gates.

    `loss` is the sum over the samples, `counts` how many of them count; `gradient` [n, S] holds
    θ_s·g_n, and `columns` [n, k, S] the products `J_nᵀ c_k`, where J_n is the derivative of sample
    n's outputs along the gates.
    """

    loss: float
    gradient: Tensor
    columns: Tensor
    counts: Count


def sample_gradients(
    gated: GatedNetwork, batch: Batch, loss: Loss, columns: Columns = _no_columns
) -> SampleGradients:
    """Return the derivatives of each sample's own loss.

    Samples that do not influence each other go through together, others one by one. Raises
    MixedSamplesError where samples are mixed and the program takes one size of batch only.

    >>> from narrows.example import gated_neurons
    >>> from narrows.losses import LOSSES
    >>> batch = Batch((torch.tensor([[1.0], [2.0]]),), torch.zeros(2, 1))
    >>> sample_gradients(gated_neurons(), batch, LOSSES["mse"]).gradient  # 2 · 3x · (x, 2x)
    tensor([[ 6., 12.],
            [24., 48.]])
    """
    if _are_independent(gated, batch, loss):
        return _together(gated, batch, loss, columns)
    if gated.original.fixed_batch:
        raise MixedSamplesError
    samples = [_together(gated, sample, loss, columns) for sample in batch.split(1)]
    return SampleGradients(
        sum(sample.loss for sample in samples),
        torch.cat([sample.gradient for sample in samples]),
        torch.cat([sample.columns for sample in samples]),
        Count(*np.sum([sample.counts for sample in samples], axis=0).tolist()),
    )


def _together(gated: GatedNetwork, batch: Batch, loss: Loss, columns: Columns) -> SampleGradients:
    outputs, leaves = gated.at_one(*batch.inputs)
    value = loss(outputs, batch.targets)

    def along(result: Tensor, direction: Tensor | None = None) -> Tensor:
        if not result.requires_grad:  # no structure reaches the output
            return outputs.new_zeros(len(batch), gated.structures)
        options: Any = {"retain_graph": True, "materialize_grads": True}
        return gated.by_structure(torch.autograd.grad(result, leaves, direction, **options))

    rows = [along(outputs, direction) for direction in columns(outputs.detach(), batch)]
    gradient = along(value)
    stacked = torch.stack(rows, 1) if rows else gradient.new_zeros(len(batch), 0, gated.structures)
    count = loss.count(outputs.detach(), batch.targets)
    return SampleGradients(value.item(), gradient, stacked, count)


_independent: WeakKeyDictionary[GatedNetwork, bool] = WeakKeyDictionary()


def _are_independent(gated: GatedNetwork, batch: Batch, loss: Loss) -> bool:
    """Tell whether no sample influences another's derivatives; tested once for each network.

    The test replaces the first sample by a copy of the second. Then both must have the derivatives
    of the second, and the others those that they had.
    """
    if len(batch) < 2:
        return True
    if gated not in _independent:
        probe = batch if gated.original.fixed_batch else batch.part(0, 2)
        index = torch.arange(len(probe), device=probe.targets.device)
        index[0] = 1
        replaced = Batch(tuple(x[index] for x in probe.inputs), probe.targets[index])
        try:
            before, after = (
                _together(gated, part, loss, _no_columns).gradient for part in (probe, replaced)
            )
        except MixedSamplesError:
            _independent[gated] = False
        else:
            error = (after - before[index]).abs().max()
            _independent[gated] = bool(error <= TOLERANCE * before.abs().max())
    return _independent[gated]
