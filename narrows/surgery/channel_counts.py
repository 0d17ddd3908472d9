"""How many channels each dimension has, and which, once structures are cut or copied."""

from dataclasses import dataclass

import numpy as np

from narrows.arrays import Ints
from narrows.channels.labels import Dims, Labels
from narrows.channels.structures import Channels
from narrows.graph.shapes import Shapes


class SurgeryError(ValueError):
    """A network that can't be cut or widened as asked, or that came out wrong; the text says why.

    It completes a sentence such as "The plan can't be built: …".
    """


@dataclass(frozen=True)
class ChannelCounts:
    """The sizes of a network's values when structure s exists `copies[s]` times.

    `copies` has shape [S]: 0 cuts a structure, 1 keeps it, k ≥ 2 makes k of it. `shapes` are those
    before.
    """

    channels: Channels
    shapes: Shapes
    copies: Ints

    def dims(self, value: str) -> Dims:
        """Return the labels of each dimension of a value; None: it keeps its size."""
        return self.channels.values.get(value, (None,) * len(self.shapes.values.get(value, ())))

    def sizes(self, value: str) -> list[tuple[int, int]]:
        """Return the size before and after of each dimension of a value."""
        return [
            (size, self.count(labels) if labels is not None and self.changes(labels) else size)
            for size, labels in zip(self.shapes.of(value), self.dims(value), strict=True)
        ]

    def times(self, labels: Labels) -> Ints:
        """Return how often each of these channels exists; what is in no structure does once."""
        structures = self.channels.structure_of[labels]
        return np.append(self.copies, 1)[structures]  # NO_STRUCTURE is the index of the last

    def count(self, labels: Labels) -> int:
        """Return how many these channels are afterwards."""
        return int(self.times(labels).sum())

    def changes(self, labels: Labels | None) -> bool:
        """Tell whether any of these channels is cut or copied."""
        return labels is not None and bool((self.times(labels) != 1).any())

    def sources(self, labels: Labels) -> tuple[Ints, Ints]:
        """Return for each index afterwards the index that it comes from, and which copy it is.

        Neighbours of one structure are copied together, as a block: the positions of a flattened
        channel, the rows of a head, the outputs that a depthwise convolution makes of a channel.
        One structure that is alone along a dimension could also be one channel of each of several
        groups, which would want another order: what comes of that, `verify` refuses.
        """
        structures = self.channels.structure_of[labels]
        starts = np.flatnonzero(np.diff(structures, prepend=-2))  # of runs of one structure
        lengths = np.diff(starts, append=len(structures))
        sizes = lengths * self.times(labels[starts])
        run = np.repeat(np.arange(len(starts)), sizes)
        place = np.arange(len(run)) - (np.cumsum(sizes) - sizes)[run]
        return starts[run] + place % lengths[run], place // lengths[run]
