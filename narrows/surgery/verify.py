"""Verifies on numbers that a built network computes what it must.

See docs/method.md, "Facts that are tested".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.arrays import Ints
from narrows.channels.contractions import sums
from narrows.channels.groups import Channels
from narrows.channels.labels import Labels
from narrows.graph import operators
from narrows.graph.network import Network, Node, arguments_of, named_arguments, run_node
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.surgery.channel_counts import ChannelCounts, SurgeryError
from narrows.surgery.function_preserving import is_uneven_norm, shares, uneven_norms
from narrows.surgery.literals import adapt
from narrows.vocabulary import Init

EXACT = 1e-9
"""Relative tolerance where the numbers are the same ones; everything runs in double precision."""
ROUNDED = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""The same where weights were divided, and rounded to their own precision."""

Mask = list[tuple[int, Tensor]]
"""Dimensions of a value, each with a factor of 0 or 1 for every index."""


@dataclass(frozen=True)
class Verification:
    """How far a network is from what it must compute, relative to the largest output.

    `reasons` say why it can't be the same; without any, the deviation is rounding.
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
    """Prove on random inputs that `built` is what `resize` promises of these arguments.

    The yardstick is `network` with the channels that were cut at zero wherever a convolution or a
    product reads them. Copies under `preserve` must not change its outputs; under `fresh` they must
    not as long as nothing reads the new channels either.

    Where a norm's statistics change, the outputs can't be the same: the verification says so and by
    how much, and holds for the network whose norms see what the built network's do.

    Raises SurgeryError where the outputs differ for no reason known.
    """
    counts = ChannelCounts(channels, shapes or trace_shapes(network), copies)
    inputs = _random_inputs(network, counts.shapes, seed)
    remaining = _masks(network, counts, lambda labels: counts.times(labels) > 0)
    first = _masks(network, counts, lambda labels: counts.sources(labels)[1] == 0)
    expected = _run(network, inputs, remaining)
    actual = _run(built, inputs, first if init == "fresh" else {})
    divided = init == "preserve" and bool((copies > 1).any())
    unshared = shares(network, counts).reasons if divided else ()
    norms = tuple(uneven_norms(network, counts, alike=init == "preserve"))
    tolerance = _tolerance(network) if divided else EXACT
    if norms and init == "preserve":
        _compare(actual, _run(network, inputs, remaining, counts), tolerance, unshared)
    return _compare(actual, expected, tolerance, (*norms, *unshared))


def verify_same(
    network: Network, other: Network, *, shapes: Shapes | None = None, seed: int = 0
) -> None:
    """Prove that a network read back from its file is the same: tensors, inputs and outputs.

    Both run the same calls on the same tensors, so single precision, many times faster, will do.

    Raises SurgeryError where it is not.
    """
    for name, tensor in network.tensors.items():
        if name not in other.tensors or not torch.equal(tensor.cpu(), other.tensors[name]):
            raise SurgeryError(f"the file has another {name} than the network that was built")
    if [spec.dtype for spec in network.inputs] != [spec.dtype for spec in other.inputs]:
        raise SurgeryError("the file has other inputs than the network that was built")
    inputs = _random_inputs(network, shapes or trace_shapes(network), seed)
    actual, expected = (_run_in_single(net, inputs) for net in (other, network))
    _compare(actual, expected, ROUNDED[torch.float32], ())


def _masks(
    network: Network, counts: ChannelCounts, kept: Callable[[Labels], NDArray[np.bool_]]
) -> dict[str, Mask]:
    """Return for every value computed the channels that a reader is to see."""
    computed = {name for node in network.nodes for name in node.outputs if name}
    return {
        value: [
            (axis, torch.from_numpy(kept(labels)))
            for axis, labels in enumerate(counts.dims(value))
            if labels is not None and counts.changes(labels)
        ]
        for value in computed
    }


def _run(
    network: Network,
    inputs: Sequence[Tensor],
    masks: Mapping[str, Mask],
    counts: ChannelCounts | None = None,
) -> tuple[Tensor, ...]:
    """Run in double precision, with masked values wherever a call sums over channels.

    With `counts`, norms normalize over the channels that there are afterwards.
    """
    double = network.map_tensors(Tensor.cpu).map_dtypes(_double)

    def call(index: int, node: Node, arguments: dict[str, Any]) -> Any:
        values = named_arguments(node, arguments)
        if sums(node):
            masked = {name: _mask(values[name], masks[name]) for name in values if name in masks}
            values |= masked
        if counts is not None and is_uneven_norm(node, counts):
            return _norm_afterwards(node, values, counts)
        return run_node(index, node, arguments_of(values, node))

    with torch.no_grad():
        return double.execute(*inputs, call=call)


def _run_in_single(network: Network, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    single = network.map_tensors(Tensor.cpu).map_dtypes(_single)
    with torch.no_grad():
        return single(*(x.to(_single(x.dtype)) for x in inputs))


def _norm_afterwards(node: Node, values: Mapping[str, Any], counts: ChannelCounts) -> list[Any]:
    """Cut and copy what the norm reads, run it, and put its result back where it was."""
    read = dict(values)
    for name in read:
        for axis, index in _changed(counts, name):
            read[name] = read[name].index_select(axis, index)
    (*_, call) = adapt(node, counts)
    result = operators.run(call.op, arguments_of(read, call))
    first, *more = result if isinstance(result, tuple) else [result]
    output = node.outputs[0] or ""
    for axis, index in _changed(counts, output):
        shape = list(first.shape)
        shape[axis] = counts.shapes.of(output)[axis]
        first = first.new_zeros(shape).index_copy(axis, index, first)
    return [first, *more]


def _changed(counts: ChannelCounts, value: str) -> list[tuple[int, Tensor]]:
    return [
        (axis, torch.from_numpy(counts.sources(labels)[0]))
        for axis, labels in enumerate(counts.dims(value))
        if labels is not None and counts.changes(labels)
    ]


def _mask(value: Tensor, mask: Mask) -> Tensor:
    for axis, kept in mask:
        along = [-1 if i == axis else 1 for i in range(value.dim())]
        value = value.masked_fill(~kept.view(along), 0)
    return value


def _double(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype.is_floating_point else dtype


def _single(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype.is_floating_point else dtype


def _random_inputs(network: Network, shapes: Shapes, seed: int) -> list[Tensor]:
    """Return normal numbers, and 0 or 1 where an index or a truth is expected."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(shapes.of(spec.name), generator=generator, dtype=torch.float64)
        if spec.dtype.is_floating_point
        else torch.randint(2, shapes.of(spec.name), generator=generator).to(spec.dtype)
        for spec in network.inputs
    ]


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
