"""Initial numbers for new channels, drawn as torch's own layers draw theirs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from narrows.channels.contractions import contractions
from narrows.graph.dataflow import Origin, origins
from narrows.graph.dimensions import as_list
from narrows.graph.network import Network
from narrows.graph.node import Node, Ref, as_ref
from narrows.graph.recurrent import input_weights
from narrows.graph.shapes import Shapes

_CONSTANTS = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
"""The initial numbers of a norm's tensors."""
_SLOPE = 0.25  # of PReLU


@dataclass(frozen=True, slots=True)
class Constant:
    """The same number everywhere, as the weights and biases of norms."""

    value: float


@dataclass(frozen=True, slots=True)
class Normal:
    """Standard normal, as the weights of embeddings."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform in ±1/√fan-in of a weight, for the weight and its bias: `kaiming_uniform_(a=√5)`.

    The fan-in is the weight's size along `axis`, or, if None, the number of weights in a row.
    """

    weight: str
    axis: int | None


Start = Constant | Normal | Uniform


def draw(
    network: Network, shapes: Shapes, tensors: Mapping[str, Tensor], generator: torch.Generator
) -> dict[str, Tensor]:
    """Return initial numbers for the tensors of known use, in the sizes of `tensors`.

    A tensor of another use, such as a position embedding that is added, has no usual distribution
    and is left out.

    >>> from narrows.example import two_neurons
    >>> network, shapes, _ = two_neurons()
    >>> weight = torch.zeros(1, 100)  # fan-in 100: within ±0.1
    >>> tensors = {**network.tensors, "output.weight": weight}
    >>> drawn = draw(network, shapes, tensors, torch.Generator().manual_seed(0))["output.weight"]
    >>> drawn.shape, bool(0.08 < drawn.abs().max() < 0.1)
    (torch.Size([1, 100]), True)
    """
    drawn = {}
    for name, start in _starts(network, shapes).items():
        tensor = tensors[name]
        match start:
            case Constant(value):
                drawn[name] = torch.full_like(tensor, value)
            case Normal():
                drawn[name] = torch.randn(tensor.shape, generator=generator).to(tensor)
            case Uniform(weight, axis):
                like = tensors[weight]
                fan_in = like[0].numel() if axis is None else like.shape[axis]
                unit = torch.rand(tensor.shape, generator=generator) * 2 - 1
                drawn[name] = (unit / fan_in**0.5).to(tensor)
    return drawn


def _starts(network: Network, shapes: Shapes) -> dict[str, Start]:
    known = origins(network, shapes)
    starts: dict[str, Start] = {}
    for node in network.nodes:
        for ref, start in _uses(node, network, shapes, known):
            if ref.name in known:
                starts.setdefault(known[ref.name][0], start)
    return starts


def _uses(
    node: Node, network: Network, shapes: Shapes, known: Mapping[str, Origin]
) -> Iterator[tuple[Ref, Start]]:
    """Yield the arguments of the call that may be named tensors, with their initial numbers."""
    family = node.op.partition(".")[0]
    if family == "embedding":
        yield from _arguments(node, weight=Normal())
    elif family in ("prelu", "_prelu_kernel"):
        yield from _arguments(node, weight=Constant(_SLOPE))
    elif "norm" in family:
        yield from _arguments(node, **{name: Constant(value) for name, value in _CONSTANTS.items()})
    elif family == "linear" or family.startswith("conv"):
        weight = node.inputs["weight"]
        if isinstance(weight, Ref) and weight.name in network.leaves:
            start = Uniform(network.leaves[weight.name], None)
            yield from _arguments(node, weight=start, bias=start)
    elif input_weights(node):
        yield from _recurrent(node, known)
    else:
        for _, operand in contractions(node, shapes):
            if operand.value in known:
                name, axes = known[operand.value]
                start = Uniform(name, axes[operand.axis])
                yield Ref(operand.value), start
                if family in ("addmm", "baddbmm"):
                    yield from _arguments(node, self=start)


def _recurrent(node: Node, known: Mapping[str, Origin]) -> Iterator[tuple[Ref, Start]]:
    """Yield what multiplies the input; torch draws it as W_hh, by the width of the layer."""
    inside = as_ref(node.inputs.get("w_hh") or as_list(node.inputs["params"])[1])
    if inside.name in known:
        start = Uniform(known[inside.name][0], None)
        yield from ((Ref(weight), start) for weight in input_weights(node))


def _arguments(node: Node, **starts: Start) -> Iterator[tuple[Ref, Start]]:
    for name, start in starts.items():
        ref = node.inputs.get(name)
        if isinstance(ref, Ref):
            yield ref, start
