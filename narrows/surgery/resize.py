"""The resize operation: it copies and cuts channels in all tensors and literals that have them."""

from dataclasses import replace

import torch
from torch import Tensor

from narrows.arrays import Ints
from narrows.channels.labels import Dims
from narrows.channels.structures import Channels
from narrows.graph.network import Network
from narrows.graph.node import Node
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.surgery.buffers import with_buffers
from narrows.surgery.channel_counts import ChannelCounts, SurgeryError
from narrows.surgery.function_preserving import Division, Shares, divide, shares
from narrows.surgery.index_tensors import picked
from narrows.surgery.initialize import draw
from narrows.surgery.literals import adapt
from narrows.surgery.spectral_norms import with_kept_norms
from narrows.surgery.tables import with_tables
from narrows.surgery.weight_norms import kept_norms
from narrows.vocabulary import Init


def resize(
    network: Network,
    channels: Channels,
    copies: Ints,
    *,
    init: Init = "preserve",
    shapes: Shapes | None = None,
    seed: int = 0,
) -> Network:
    """Return the network in which structure s exists `copies[s]` times.

    `copies` has shape [S]: 0 cuts, 1 keeps, k ≥ 2 makes k. `shapes` are those used to find
    `channels`, by default those of `trace_shapes(network)`.

    With `preserve` the copies of a channel are equal, and its readers divide by their number: the
    network computes what it did, and training does not tell copies apart until noise such as
    dropout does. With `fresh` the new channels, and the weights that read them, get initial numbers
    as torch's own layers do, drawn with `seed`; all other numbers stay.

    Raises SurgeryError (a ValueError) where a layer would be left without channels, or where an
    operator can't follow. The result has the right shapes; `verify` compares the numbers.

    >>> import numpy as np
    >>> from narrows.example import two_neurons
    >>> network, _, channels = two_neurons()
    >>> wide = resize(network, channels, np.array([2, 2]))
    >>> wide.tensors["hidden.weight"].flatten(), wide.tensors["output.weight"].flatten()
    (tensor([1., 1., 2., 2.]), tensor([0.5000, 0.5000, 0.5000, 0.5000]))
    >>> resize(network, channels, np.array([0, 1]))(torch.ones(1, 1))  # without the first neuron
    (tensor([[2.]]),)
    """
    if copies.shape != (len(channels),) or (copies < 0).any():
        raise SurgeryError(f"there must be {len(channels)} counts of copies, none negative")
    before = shapes or trace_shapes(network)
    counts = ChannelCounts(channels, before, copies)
    _require_channels(network, counts)
    copied = bool((copies > 1).any())
    share = shares(network, counts) if copied and init == "preserve" else Shares()
    tensors = _copy_tensors(network, counts)
    for name, axis in share.divided:
        tensors[name] = _divide(tensors[name], axis, channels.tensors[name], counts)
    if copied and init == "fresh":
        generator = torch.Generator().manual_seed(seed)
        for name, drawn in draw(network, before, tensors, generator).items():
            is_new = belongs_to_copies(tensors[name], name, counts)
            tensors[name] = torch.where(is_new, drawn, tensors[name])
    tensors |= kept_norms(network, counts, tensors)
    nodes: list[Node] = []
    buffers: dict[str, tuple[str, Tensor]] = {}
    for index, node in enumerate(network.nodes):
        *sizes, call = adapt(node, counts)
        division = share.scaled.get(index)
        if division is not None and len(division.by) > 1:
            buffers[f"{call.outputs[0]}_copies"] = call.module, _divisors(network, division, before)
        nodes += [*sizes, *([call] if division is None else divide(call, division))]
    resized = with_buffers(replace(network, nodes=tuple(nodes), tensors=tensors), buffers)
    result = with_tables(network, resized, counts)
    _require_shapes(result, counts)
    return with_kept_norms(network, result, counts)


def _require_channels(network: Network, counts: ChannelCounts) -> None:
    """Raise SurgeryError if a layer or a value would be left without channels."""
    for layer in counts.channels.layers:
        for labels in counts.channels.tensors.get(layer.weight or "", ()):
            if labels is not None and not counts.count(labels):
                raise SurgeryError(f"{layer.name} would be left without channels")
    for node in network.nodes:
        for name in filter(None, node.outputs):
            if any(labels is not None and not counts.count(labels) for labels in counts.dims(name)):
                where = f" in {node.module}" if node.module else ""
                raise SurgeryError(f"{node.op}{where} would be left without channels")


def _copy_tensors(network: Network, counts: ChannelCounts) -> dict[str, Tensor]:
    """Return the named tensors with each channel copied as often as it exists afterwards."""
    tensors = dict(network.tensors)
    for name, dims in counts.channels.tensors.items():
        for axis, labels in enumerate(dims):
            if labels is not None and counts.changes(labels):
                index = torch.from_numpy(counts.sources(labels)[0]).to(tensors[name].device)
                tensors[name] = tensors[name].index_select(axis, index)
    return tensors | picked(network, counts)


def _divide(tensor: Tensor, axis: int, dims: Dims, counts: ChannelCounts) -> Tensor:
    labels = dims[axis]
    if labels is None:
        return tensor
    index, _ = counts.sources(labels)
    times = torch.from_numpy(counts.times(labels)[index])
    return tensor / times.view(_along(axis, tensor)).to(tensor)


def _divisors(network: Network, division: Division, shapes: Shapes) -> Tensor:
    """Return the divisors of a value's channels, as they are broadcast over it."""
    rank = len(shapes.of(division.value))
    along = [-1 if axis == division.axis else 1 for axis in range(rank)]
    device = next(iter(network.tensors.values())).device
    return torch.from_numpy(division.by).to(device, network.precision).view(along)


def belongs_to_copies(tensor: Tensor, name: str, counts: ChannelCounts) -> Tensor:
    """Return a mask of the numbers that belong to a second or later copy of a channel.

    `tensor` is the resized one of this name.

    >>> import numpy as np
    >>> from narrows.example import two_neurons
    >>> _, shapes, channels = two_neurons()
    >>> counts = ChannelCounts(channels, shapes, np.array([1, 2]))
    >>> belongs_to_copies(torch.zeros(3, 1), "hidden.weight", counts).flatten()
    tensor([False, False,  True])
    """
    result = torch.zeros(tensor.shape, dtype=torch.bool)
    for axis, labels in enumerate(counts.tensor_dims(name, tensor.dim())):
        if labels is not None:
            _, copy = counts.sources(labels)
            result |= torch.from_numpy(copy > 0).view(_along(axis, tensor))
    return result.to(tensor.device)


def _along(axis: int, tensor: Tensor) -> list[int]:
    return [-1 if i == axis else 1 for i in range(tensor.dim())]


def _require_shapes(result: Network, counts: ChannelCounts) -> None:
    """Raise SurgeryError if a shape of the new program differs from the count of its channels."""
    try:
        after = trace_shapes(result, [counts.shapes.of(spec.name) for spec in result.inputs])
    except (ValueError, RuntimeError) as error:
        raise SurgeryError(f"an operator does not fit the new sizes: {error}") from error
    for node in result.nodes:
        for name in filter(None, node.outputs):
            if name in counts.shapes.values:
                expected = tuple(size for _, size in counts.sizes(name))
                if after.of(name) != expected:
                    where = f" in {node.module}" if node.module else ""
                    raise SurgeryError(
                        f"{node.op}{where} gives {after.of(name)} where {expected} is needed"
                    )
