"""Labels, couplings between them, and pins: which channels go together, and which stay."""

from collections.abc import Iterable

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from narrows.channels.labels import Labels
from narrows.channels.records import Boundary


class Couplings:
    """Labels, of which some are coupled or pinned.

    Two layers of two channels each, whose results are added: channel c of one goes with channel c
    of the other.

    >>> record = Couplings()
    >>> a, b = record.fresh(2), record.fresh(2)  # labels 0, 1 and 2, 3
    >>> record.couple(a, b, "add.Tensor")
    >>> record.components()  # of each label
    array([0, 1, 0, 1])
    >>> record.tie_blocks(record.fresh(4), blocks=2)  # labels 4 to 7: 4 with 6, and 5 with 7
    >>> record.components()
    array([0, 1, 0, 1, 2, 3, 2, 3])
    >>> record.pin(a, "they are the network's outputs")
    >>> record.pins, record.is_held(a)
    ([(array([0, 1]), "they are the network's outputs")], True)
    """

    def __init__(self) -> None:
        self.pins: list[tuple[Labels, str]] = []
        self.boundaries: list[Boundary] = []
        self._pinned: set[int] = set()
        self._elastic: set[int] = set()
        self._couplings: list[tuple[Labels, Labels]] = []
        self._count = 0

    def fresh(self, size: int) -> Labels:
        """Return `size` new labels."""
        self._count += size
        return np.arange(self._count - size, self._count)

    def fixed(self, size: int, reason: str) -> Labels:
        """Return `size` new labels, pinned for `reason`."""
        labels = self.fresh(size)
        self.pin(labels, reason)
        return labels

    def elastic(self, size: int) -> Labels:
        """Return `size` new labels of a broadcast dimension, which follows any size it meets."""
        labels = self.fresh(size)
        self._elastic.update(labels.tolist())
        return labels

    def pin(self, labels: Labels | None, reason: str) -> None:
        """Record that these channels can't be pruned, for `reason`."""
        if labels is not None and labels.size:
            self.pins.append((labels.ravel(), reason))
            self._pinned.update(labels.ravel().tolist())

    def is_held(self, labels: Labels) -> bool:
        """Tell whether all of these labels are pinned so far."""
        return self._pinned.issuperset(labels.ravel().tolist())

    def is_bound(self, labels: Labels) -> bool:
        """Tell whether these labels are channels that might be pruned, not a mere repetition."""
        return not (self.is_held(labels) or self._elastic.issuperset(labels.ravel().tolist()))

    def couple(self, a: Labels | None, b: Labels | None, why: str) -> None:
        """Couple a[i] with b[i]: they are one channel. If one side has no labels, pin the other."""
        if a is not None and b is not None:
            self._couplings.append((a.ravel(), b.ravel()))
        else:
            self.pin(a if b is None else b, f"they meet a dimension that is not followed ({why})")

    def tie(self, labels: Labels, dim: int) -> Labels:
        """Couple all labels along `dim` with those of its first index; return the latter.

        Then this dimension keeps its size, while others can change theirs.
        """
        first = labels.take([0], dim)
        self.couple(np.broadcast_to(first, labels.shape), labels, "")
        return first

    def tie_blocks(self, labels: Labels, blocks: int) -> None:
        """Couple the channels of the same position in each of `blocks` equal blocks.

        Grouped operators need equally many channels in every group.
        """
        self.tie(labels.reshape(blocks, -1), 0)
        size = labels.size // blocks
        self.bound(labels.ravel(), 0, range(size, labels.size, size), "a grouped operator")

    def bound(self, labels: Labels, dim: int, places: Iterable[int], why: str) -> None:
        """Record that a piece ends along `dim` before each of these places; see `Boundary`.

        A place outside of the dimension, or at one of its ends, is none.
        """
        inside = tuple(place for place in places if 0 < place < labels.shape[dim])
        if inside:
            self.boundaries.append(Boundary(labels, dim, inside, why))

    def repeated(self, labels: Labels, dim: int, why: str) -> None:
        """Record that labels are repeated along `dim` as a whole: the end meets the beginning."""
        if labels.shape[dim] > 1:
            self.boundaries.append(Boundary(labels, dim, (0,), why))

    def components(self) -> Labels:
        """Return for each label the number of its connected component under the couplings."""
        empty = np.empty(0, np.int64)
        a = np.concatenate([empty, *(pair[0] for pair in self._couplings)])
        b = np.concatenate([empty, *(pair[1] for pair in self._couplings)])
        graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(self._count, self._count))
        return connected_components(graph, directed=False)[1].astype(np.int64)
