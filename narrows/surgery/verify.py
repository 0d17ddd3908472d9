"""Verification: run a built network on random inputs, and compare its outputs.

See docs/method.md, "Facts that are tested".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from narrows.arrays import Ints
from narrows.channels.structures import Channels
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.surgery.channel_counts import ChannelCounts, SurgeryError
from narrows.surgery.function_preserving import shares, uneven_norms
from narrows.surgery.masked_run import masks_of, random_inputs, run_in_single, run_masked
from narrows.surgery.spectral_norms import changed_spectral_norms
from narrows.surgery.weight_norms import changed_norms
from narrows.vocabulary import Init

EXACT = 1e-9
"""The relative tolerance where the weights are the same; the runs are in double precision."""
ROUNDED = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""The relative tolerance where weights were divided or scaled, and rounded to their precision."""


@dataclass(frozen=True)
class Verification:
    """The largest deviation of a network's outputs from the expected, relative to the largest.

    `reasons` say why the outputs can't be equal; without any, the deviation is rounding.
    """

    deviation: float
    reasons: tuple[str, ...] = ()


def verify(
    network: Network,
    channels: Channels,
    copies: Ints,
    built: Network,
    *,
    init: Init = "preserve",
    shapes: Shapes | None = None,
    seed: int = 0,
) -> Verification:
    """Verify on random inputs that `built` computes what `resize` must return for these arguments.

    The expected outputs are those of `network` with the cut channels at zero wherever a convolution
    or a product reads them. Under `preserve`, copies must not change them. Under `fresh`, they must
    not change while the new channels, too, are zero wherever they are read.

    Where a norm's statistics change, the outputs can't be equal. Then the verification has the
    reason and the deviation, and `built` must equal the network with the changed statistics.

    Raises SurgeryError where the outputs differ for no known reason.

    >>> import numpy as np
    >>> from narrows.example import two_neurons
    >>> from narrows.surgery import resize
    >>> network, _, channels = two_neurons()
    >>> copies = np.array([2, 2])
    >>> verify(network, channels, copies, resize(network, channels, copies))
    Verification(deviation=0.0, reasons=())
    >>> other = network.map_tensors(lambda weight: 2 * weight)  # 4 f(x), so 3 f(x) too much
    >>> verify(network, channels, np.array([1, 1]), other)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    narrows.surgery.channel_counts.SurgeryError: the built network's outputs are 3.0e+00 ...
    """
    counts = ChannelCounts(channels, shapes or trace_shapes(network), copies)
    inputs = random_inputs(network, counts.shapes, seed)
    remaining = masks_of(network, counts, lambda labels: counts.times(labels) > 0)
    first = masks_of(network, counts, lambda labels: counts.sources(labels)[1] == 0)
    expected = run_masked(network, inputs, remaining)
    actual = run_masked(built, inputs, first if init == "fresh" else {})
    divided = init == "preserve" and bool((copies > 1).any())
    unshared = shares(network, counts).reasons if divided else ()
    norms = tuple(uneven_norms(network, counts, alike=init == "preserve"))
    scaled = any(changed_norms(network, counts)) or any(changed_spectral_norms(network, counts))
    rounded = divided or scaled
    tolerance = _tolerance(network) if rounded else EXACT
    if norms and init == "preserve":
        _compare(actual, run_masked(network, inputs, remaining, counts), tolerance, unshared)
    return _compare(actual, expected, tolerance, (*norms, *unshared))


def verify_same(
    network: Network, other: Network, *, shapes: Shapes | None = None, seed: int = 0
) -> None:
    """Verify that a network that was read back from its file has equal tensors and outputs.

    Both run the same calls on the same tensors, so they run in single precision, which is many
    times faster.

    Raises SurgeryError where a tensor, an input's dtype or an output differs.

    >>> from narrows.example import two_neurons
    >>> network, *_ = two_neurons()
    >>> verify_same(network, network)
    >>> verify_same(network, network.map_tensors(torch.negative))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    narrows.surgery.channel_counts.SurgeryError: the file has another hidden.weight ...
    """
    for name, tensor in network.tensors.items():
        if name not in other.tensors or not torch.equal(tensor.cpu(), other.tensors[name]):
            raise SurgeryError(f"the file has another {name} than the network that was built")
    if [spec.dtype for spec in network.inputs] != [spec.dtype for spec in other.inputs]:
        raise SurgeryError("the file has other inputs than the network that was built")
    inputs = random_inputs(network, shapes or trace_shapes(network), seed)
    actual, expected = (run_in_single(net, inputs) for net in (other, network))
    _compare(actual, expected, ROUNDED[torch.float32], ())


def _tolerance(network: Network) -> float:
    dtypes = {tensor.dtype for tensor in network.tensors.values()}
    return max((ROUNDED.get(dtype, EXACT) for dtype in dtypes), default=EXACT)


def _compare(
    actual: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float, reasons: tuple[str, ...]
) -> Verification:
    if [x.shape for x in actual] != [x.shape for x in expected]:
        raise SurgeryError("the built network's outputs have other shapes than the network's")
    deviation = max(map(_deviation, actual, expected))
    if not (deviation <= tolerance or (reasons and deviation < float("inf"))):
        raise SurgeryError(
            f"the built network's outputs are {deviation:.1e} (of the largest) from what they must "
            "be on random inputs"
        )
    return Verification(deviation, reasons)


def _deviation(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference relative to the largest expected; NaN equals NaN."""
    a, b = actual.double(), expected.double()
    same = (a == b) | (a.isnan() & b.isnan())
    if same.all():
        return 0.0
    difference = (a - b).abs().masked_fill(same, 0.0).nan_to_num(nan=float("inf")).max()
    return float(difference / b.abs().nan_to_num(posinf=0.0).max())
