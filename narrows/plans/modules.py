"""A module of the source, and the sizes of its tensors and values before and after a plan."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from narrows.channels.labels import Dims, Labels
from narrows.graph.network import Network
from narrows.graph.node import Node, Ref, as_int
from narrows.surgery.channel_counts import ChannelCounts
from narrows.surgery.literals import adapt

Value = int | tuple[int, ...]
"""What an attribute holds: a number, or a shape."""


@dataclass(frozen=True)
class Width:
    """A number before and after a plan, and the labels of the channels that it counts.

    `sources` are the (tensor, dimension) pairs whose sizes it tells, for tensors of the module.

    >>> Width(2, 4).times(Width(3, 3))
    Width(before=6, after=12, labels=(), sources=())
    """

    before: Value
    after: Value
    labels: tuple[Labels, ...] = ()
    sources: tuple[tuple[str, int], ...] = ()

    def times(self, other: "Width") -> "Width":
        """Return the product of two numbers."""
        before, after = (
            math.prod(_shape(a) + _shape(b)) for a, b in zip(self.pair, other.pair, strict=True)
        )
        return self._with(other, before, after)

    def beside(self, other: "Width") -> "Width":
        """Return the shape of both.

        >>> Width(2, 4).beside(Width(3, 3)).pair
        ((2, 3), (4, 3))
        """
        before, after = (_shape(a) + _shape(b) for a, b in zip(self.pair, other.pair, strict=True))
        return self._with(other, before, after)

    def over(self, before: int, after: int) -> "Width":
        """Return how many pieces of these widths it has, without what is left over.

        >>> Width(8, 16).over(4, 4).pair
        (2, 4)
        """
        return replace(
            self,
            before=math.prod(_shape(self.before)) // max(1, before),
            after=math.prod(_shape(self.after)) // max(1, after),
        )

    @property
    def pair(self) -> tuple[Value, Value]:
        """The number before and after."""
        return self.before, self.after

    def _with(self, other: "Width", before: Value, after: Value) -> "Width":
        return Width(before, after, self.labels + other.labels, self.sources + other.sources)


def _shape(value: Value) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


@dataclass(frozen=True)
class Module:
    """A module at `path`, of the class `kind`, such as `torch.nn.Linear`.

    `tensors` maps its own names of tensors to the network's; `nodes` are the calls that it makes,
    or that read its tensors.
    """

    path: str
    kind: str
    tensors: Mapping[str, str]
    nodes: tuple[Node, ...]
    network: Network
    counts: ChannelCounts

    def dims(self, tensor: str) -> Dims:
        """Return the labels of each dimension of one of the module's tensors."""
        name = self.tensors[tensor]
        return self.counts.tensor_dims(name, self.network.tensors[name].dim())

    def changed(self, tensor: str) -> list[int]:
        """Return the dimensions of a tensor of which channels are cut or copied."""
        return [d for d, labels in enumerate(self.dims(tensor)) if self.counts.changes(labels)]

    def sizes(self, tensor: str, dim: int, blocks: int = 1) -> Iterator[Width]:
        """Yield the size of each of `blocks` equal blocks along a dimension of a tensor, if any."""
        if tensor not in self.tensors or dim >= len(self.dims(tensor)):
            return
        size = self.network.tensors[self.tensors[tensor]].shape[dim]
        labels = self.dims(tensor)[dim]
        if size % blocks:
            return
        for block in [None] * blocks if labels is None else np.split(labels, blocks):
            after = size // blocks if block is None else self.counts.count(block)
            own = () if block is None else (block,)
            yield Width(size // blocks, after, own, ((tensor, dim),))

    def inputs(self, dim: int) -> Iterator[Width]:
        """Yield the size of a dimension of what each of the module's norms reads."""
        for node in self.nodes:
            source = node.inputs.get("input", node.inputs.get("self"))
            if "norm" in node.op and isinstance(source, Ref):
                rank = len(self.counts.dims(source.name))
                if not -rank <= dim < rank:
                    continue
                labels = self.counts.dims(source.name)[dim]
                before, after = self.counts.sizes(source.name)[dim]
                yield Width(before, after, () if labels is None else (labels,))

    def literals(self, operator: str, *names: str) -> Iterator[Width]:
        """Yield a number in the module's calls of an operator, by its possible names."""
        for node in self.nodes:
            for name in names:
                if operator in node.op and isinstance(number := node.inputs.get(name), int):
                    (call,) = adapt(node, self.counts)
                    labels = self.counts.dims(_subject(node))[1]
                    own = () if labels is None else (labels,)
                    yield Width(number, as_int(call.inputs[name]), own)


def _subject(node: Node) -> str:
    source = node.inputs.get("input", node.inputs.get("self"))
    return source.name if isinstance(source, Ref) else ""
