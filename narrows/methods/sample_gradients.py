"""Derivatives of every sample by itself along every gate, from one backward pass.

See docs/method.md, "Gates".
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from narrows.batch import Batch
from narrows.gates.call import MixedSamplesError
from narrows.gates.gated_network import GatedNetwork
from narrows.losses import Loss

Columns = Callable[[Tensor, Batch], Iterable[Tensor]]
"""(outputs, batch) → directions along the outputs, each of their shape."""


def _no_columns(_outputs: Tensor, _batch: Batch) -> Iterable[Tensor]:
    return ()


TOLERANCE = 1e-3
"""Relative to the largest; samples that influence each other differ by about one."""


class SampleGradients(NamedTuple):
    """What each of n samples says of S gates.

    `loss` is the sum over the samples; `gradient` [n, S] holds θ_s·g_n, `columns` [n, k, S] the
    products `J_nᵀ c_k` of directions along the outputs, J_n being their derivative along gates.
    """

    loss: float
    gradient: Tensor
    columns: Tensor


def sample_gradients(
    gated: GatedNetwork, batch: Batch, loss: Loss, columns: Columns = _no_columns
) -> SampleGradients:
    """Differentiate each sample by itself.

    Samples go through together where they are told apart all the way, else one by one. Raises
    MixedSamplesError where the program takes no sample alone.
    """
    if _apart(gated, batch, loss):
        return _together(gated, batch, loss, columns)
    if gated.original.fixed_batch:
        raise MixedSamplesError
    alone = [_together(gated, one, loss, columns) for one in batch.split(1)]
    return SampleGradients(
        sum(one.loss for one in alone),
        torch.cat([one.gradient for one in alone]),
        torch.cat([one.columns for one in alone]),
    )


def _together(gated: GatedNetwork, batch: Batch, loss: Loss, columns: Columns) -> SampleGradients:
    device, dtype = batch.targets.device, gated.network.precision
    m = torch.ones(len(batch), gated.structures, device=device, dtype=dtype, requires_grad=True)
    outputs = gated.at(m, *batch.inputs)
    value = loss(outputs, batch.targets)
    if not value.requires_grad:  # no structure reaches the output
        value, outputs = value + 0 * m.sum(), outputs + 0 * m.sum()
    rows = [
        torch.autograd.grad(outputs, m, direction, retain_graph=True)[0]
        for direction in columns(outputs.detach(), batch)
    ]
    gradient = torch.autograd.grad(value, m)[0]
    stacked = torch.stack(rows, 1) if rows else m.new_zeros(len(m), 0, m.shape[1])
    return SampleGradients(value.item(), gradient, stacked)


_known: WeakKeyDictionary[GatedNetwork, bool] = WeakKeyDictionary()


def _apart(gated: GatedNetwork, batch: Batch, loss: Loss) -> bool:
    """Tell whether each sample's derivatives are its own; found out once a network.

    With its first sample replaced by a copy of its second, a batch must give the second's for both,
    and for the others what it gave.
    """
    if len(batch) < 2:
        return True
    if gated not in _known:
        few = batch if gated.original.fixed_batch else batch.part(0, 2)
        index = torch.arange(len(few), device=few.targets.device)
        index[0] = 1
        replaced = Batch(tuple(x[index] for x in few.inputs), few.targets[index])
        try:
            before, after = (
                _together(gated, one, loss, _no_columns).gradient for one in (few, replaced)
            )
        except MixedSamplesError:
            _known[gated] = False
        else:
            error = (after - before[index]).abs().max()
            _known[gated] = bool(error <= TOLERANCE * before.abs().max())
    return _known[gated]
