"""Samples must not influence each other: a batch stands for samples that are seen one by one.

Batch norm without stored statistics, centring over the batch, or attention between samples make
every result depend on which samples happen to be together.

See docs/verdicts.md, "When no verdict is given".
"""

import torch
from torch import Tensor

from narrows.batch import Batch
from narrows.graph.network import Network

TOLERANCE = 1e-5
"""Relative to the spread of the outputs. In batches of one size, a sample's output has the same
bits whatever the others are, or nearly so."""
ROUNDING = 1e-6
"""Relative to the outputs, for outputs that do not depend on the sample."""
LEAST_CHANGE = 1e-3
"""The relative change of a loss that is more than rounding."""
FEW = 3
"""The number of samples in a trial, where the program takes any number."""


class DependentSamplesError(ValueError):
    """The output of one sample moves with the other samples of its batch."""

    def __init__(self) -> None:
        super().__init__(
            "the samples of a batch influence each other (such as by batch norm without running "
            "statistics, or a mean over the batch), so what a channel is worth depends on which "
            "samples are together: use stored statistics, or a mean over each sample"
        )


def require_independent_samples(network: Network, batch: Batch, *, scalar: bool = False) -> None:
    """Raise DependentSamplesError if one sample's output moves with another's input.

    Two samples a and b, [batch, …], go through in batches of both, such as aab, and alone, aaa and
    bbb. `scalar` says that the output may be a mean over the batch: then those of aab and abb must
    be means of those of aaa and bbb with the same weights. Raises ValueError for a sum.

    >>> from narrows.example import two_neurons
    >>> batch = Batch((torch.tensor([[1.0], [2.0]]),), torch.zeros(2, 1))
    >>> require_independent_samples(two_neurons()[0], batch)
    """
    pair = _different(batch)
    size = network.fixed_batch or FEW
    if pair is None or size < 2:
        return
    with torch.no_grad(), batch.targets.device:
        alone = [_run(network, batch, [i] * size) for i in pair]
        mixed = [_run(network, batch, [*[pair[0]] * k, *[pair[1]] * (size - k)])
                 for k in (1, size - 1)]  # fmt: skip
    if scalar and not alone[0].dim():
        fits = _are_means(alone, mixed, size)
    else:
        fits = _are_rows(alone, mixed, size)
    if not fits:
        raise DependentSamplesError
    if scalar and network.fixed_batch is None and not alone[0].dim():
        _require_mean(alone[0], _run(network, batch, [pair[0]] * 2 * size))


def _require_mean(of_some: Tensor, of_twice_as_many: Tensor) -> None:
    """Raise ValueError for a loss that is a sum: twice as many equal samples make it larger."""
    if abs(of_twice_as_many - of_some) > LEAST_CHANGE * abs(of_some):
        raise ValueError(
            "the program returns a loss that grows with the batch, such as a sum; it must return "
            "the mean over the batch, or one loss for each sample"
        )


def _different(batch: Batch) -> tuple[int, int] | None:
    """Return the indices of two samples that differ, or None."""
    for other in range(1, len(batch)):
        if any(not torch.equal(x[0], x[other]) for x in batch.inputs):
            return 0, other
    return None


def _run(network: Network, batch: Batch, indices: list[int]) -> Tensor:
    index = torch.tensor(indices)
    output: Tensor = network(*(x[index] for x in batch.inputs))[0]
    return output.double()


def _are_rows(alone: list[Tensor], mixed: list[Tensor], size: int) -> bool:
    """Tell whether the outputs of a mixed batch are those of its samples alone."""
    if not alone[0].dim() or alone[0].shape[0] % size:
        return True  # the output does not tell samples apart
    a, b = (output.reshape(size, -1) for output in alone)
    allowed = TOLERANCE * (a[0] - b[0]).abs().max() + ROUNDING * a[0].abs().max()
    for count, output in zip((1, size - 1), mixed, strict=True):
        rows = output.reshape(size, -1)
        expected = torch.cat([a[:count], b[count:]])
        if rows.isfinite().all() and not (rows - expected).abs().max() <= allowed:
            return False
    return True


def _are_means(alone: list[Tensor], mixed: list[Tensor], size: int) -> bool:
    """Tell whether mixed batches' means have the weights w and 1 for each a and b, for some w > 0.

    A sample weighs what its targets that count are, so w need not be 1. Of one a in `size` samples
    the mean is m = (w a + (size − 1) b) / (w + size − 1), which gives w.
    """
    (a, b), (first, last) = (x.item() for x in alone), (x.item() for x in mixed)
    if abs(a - b) <= ROUNDING * max(abs(a), abs(b)):
        return all(abs(m - a) <= 10 * ROUNDING * max(abs(a), abs(b)) for m in (first, last))
    share = (first - b) / (a - b)
    if not 0 < share < 1:
        return False
    weight = share * (size - 1) / (1 - share)
    expected = ((size - 1) * weight * a + b) / ((size - 1) * weight + 1)
    return bool(size == 2 or abs(last - expected) <= TOLERANCE * abs(a - b))
