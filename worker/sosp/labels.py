"""Channel labels: which indices of which dimensions are one and the same channel (DESIGN §2).

Every dimension of every tensor and value carries one integer label an index. The rules of
`channel_rules` say, operator by operator, which labels go together and which can't be pruned.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from worker.sosp.network import Network, Ref
from worker.sosp.shapes import Shapes

Labels = NDArray[np.int64]
Dims = tuple[Labels | None, ...]
"""The labels of each dimension of a value; None: not followed, such as batch and space."""


@dataclass(frozen=True)
class Attribute:
    """A module's attribute that counts the channels `labels`, such as `in_channels`."""

    module: str
    name: str
    labels: Labels


@dataclass(frozen=True)
class Producer:
    """A call whose weight has a row for each channel that it makes."""

    node: int
    op: str
    weight: str
    bias: str | None
    rows: Labels


class LabelBook:
    """Labels, couplings and pins, written down while the rules walk through the program."""

    def __init__(self, network: Network, shapes: Shapes) -> None:
        self.network, self.shapes = network, shapes
        self.values: dict[str, Dims] = {}
        self.tensors: dict[str, Dims] = {}
        self.producers: list[Producer] = []
        self.attributes: list[Attribute] = []
        self.pins: list[tuple[Labels, str]] = []
        self._couplings: list[tuple[Labels, Labels]] = []
        self._count = 0

    def fresh(self, size: int) -> Labels:
        """Return `size` labels that nothing else carries."""
        self._count += size
        return np.arange(self._count - size, self._count)

    def fixed(self, size: int, reason: str) -> Labels:
        """Return `size` fresh labels that can't be pruned, for `reason`."""
        labels = self.fresh(size)
        self.pin(labels, reason)
        return labels

    def couple(self, a: Labels | None, b: Labels | None, why: str) -> None:
        """Make a[i] and b[i] one channel; where only one side is followed, pin it."""
        if a is not None and b is not None:
            self._couplings.append((a, b))
        else:
            self.pin(a if b is None else b, f"they meet a dimension that is not followed ({why})")

    def tie(self, labels: Labels, groups: int) -> None:
        """Make the channels at the same place of each of `groups` equal blocks one structure.

        Grouped operators need equally many channels in every group.
        """
        blocks = labels.reshape(groups, -1)
        self._couplings.append((np.broadcast_to(blocks[:1], blocks.shape).ravel(), labels))

    def pin(self, labels: Labels | None, reason: str) -> None:
        """Note that these channels can't be pruned, and why."""
        if labels is not None:
            self.pins.append((labels, reason))

    def count(self, module: str, attribute: str, labels: Labels | None) -> None:
        """Note that a module's attribute counts these channels."""
        if labels is not None:
            self.attributes.append(Attribute(module, attribute, labels))

    def tensor(self, argument: object) -> str | None:
        """Return the user's name of a named tensor, None for anything else."""
        return self.network.leaves.get(argument.name) if isinstance(argument, Ref) else None

    def dims(self, ref: Ref) -> Dims:
        """Return the labels of a value; a named tensor gets its own at first sight."""
        name = self.tensor(ref)
        if name is None:
            return self.values[ref.name]
        if name not in self.tensors:
            shape = self.network.tensors[name].shape
            self.tensors[name] = tuple(self.fresh(size) if size > 1 else None for size in shape)
        return self.tensors[name]

    def shape(self, ref: Ref) -> tuple[int, ...]:
        return self.shapes.of(ref.name)

    def components(self) -> Labels:
        """Return for each label the number of its component under the couplings."""
        empty = np.empty(0, np.int64)
        a = np.concatenate([empty, *(pair[0] for pair in self._couplings)])
        b = np.concatenate([empty, *(pair[1] for pair in self._couplings)])
        graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(self._count, self._count))
        return connected_components(graph, directed=False)[1].astype(np.int64)
