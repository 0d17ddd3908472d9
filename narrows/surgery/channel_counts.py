"""The number of channels along each dimension, and their sources, for given copies."""

from dataclasses import dataclass

import numpy as np

from narrows.arrays import Ints
from narrows.channels.labels import Dims, Labels
from narrows.channels.structures import Channels
from narrows.graph.shapes import Shapes


class SurgeryError(ValueError):
    """The error for a network that can't be resized, or whose verification failed.

    Its text completes a sentence such as "The plan can't be built: …".
    """


@dataclass(frozen=True)
class ChannelCounts:
    """The sizes of a network's values when structure s exists `copies[s]` times.

    `copies` has shape [S]: 0 cuts a structure, 1 keeps it, k ≥ 2 makes k of it. `shapes` are those
    before.

    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> counts = ChannelCounts(channels, shapes, np.array([0, 3]))  # the second neuron three times
    >>> counts.sizes("h")  # (before, after) of [batch, neurons]
    [(2, 2), (2, 3)]
    >>> (_, neurons) = counts.dims("h")
    >>> counts.times(neurons), counts.count(neurons), counts.changes(neurons)
    (array([0, 3]), 3, True)
    >>> counts.sources(neurons)  # all from index 1: its copies 0, 1, 2
    (array([1, 1, 1]), array([0, 1, 2]))
    """

    channels: Channels
    shapes: Shapes
    copies: Ints

    def dims(self, value: str) -> Dims:
        """Return the labels of each dimension of a value; None for one that keeps its size."""
        return self.channels.values.get(value, (None,) * len(self.shapes.values.get(value, ())))

    def sizes(self, value: str) -> list[tuple[int, int]]:
        """Return the size before and after of each dimension of a value."""
        return [
            (size, self.count(labels) if labels is not None and self.changes(labels) else size)
            for size, labels in zip(self.shapes.of(value), self.dims(value), strict=True)
        ]

    def tensor_dims(self, name: str, rank: int) -> Dims:
        """Return the labels of each dimension of a named tensor of `rank` dimensions."""
        return self.channels.tensors.get(name, (None,) * rank)

    def times(self, labels: Labels) -> Ints:
        """Return how often each of these channels exists, [width]; once if in no structure."""
        structures = self.channels.structure_of[labels]
        return np.append(self.copies, 1)[structures]  # NO_STRUCTURE is the index of the last

    def count(self, labels: Labels) -> int:
        """Return the number of these channels afterwards."""
        return int(self.times(labels).sum())

    def changes(self, labels: Labels | None) -> bool:
        """Tell whether any of these channels is cut or copied."""
        return labels is not None and bool((self.times(labels) != 1).any())

    def sources(self, labels: Labels) -> tuple[Ints, Ints]:
        """Return for each index afterwards its index before, and the number of its copy from 0.

        Neighbours of one structure are copied together, as a block: the positions of a flattened
        channel, the rows of a head, the outputs of a channel in a depthwise convolution. If a
        structure is alone along a dimension, it could also be one channel of each of several
        groups. That would need another order, and `verify` refuses the result.
        """
        structures = self.channels.structure_of[labels]
        starts = np.flatnonzero(np.diff(structures, prepend=-2))  # of runs of one structure
        lengths = np.diff(starts, append=len(structures))
        sizes = lengths * self.times(labels[starts])
        run = np.repeat(np.arange(len(starts)), sizes)
        offset = np.arange(len(run)) - (np.cumsum(sizes) - sizes)[run]
        return starts[run] + offset % lengths[run], offset // lengths[run]
