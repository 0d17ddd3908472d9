"""The graph of channels: labels, couplings between them, and pins, as the rules record them."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from narrows.channels.labels import Labelling, Labels, placed, spanned
from narrows.channels.records import Boundary, Grouping, Meeting, Producer, Statistic
from narrows.graph.constants import fixed_values
from narrows.graph.network import Network
from narrows.graph.node import Ref
from narrows.graph.shapes import Shapes
from narrows.graph.spectral_norms import SpectralNorm, spectral_norms


class ChannelGraph:
    """Labels, couplings and pins, recorded while the rules walk through the program.

    Two layers of two channels each, whose results are added: channel c of one goes with channel c
    of the other.

    >>> from narrows.example import two_neurons
    >>> graph = ChannelGraph(*two_neurons()[:2])
    >>> a, b = graph.fresh(2), graph.fresh(2)  # labels 0, 1 and 2, 3
    >>> graph.couple(a, b, "add.Tensor")
    >>> graph.components()  # of each label
    array([0, 1, 0, 1])
    >>> graph.tie_blocks(graph.fresh(4), blocks=2)  # labels 4 to 7: 4 with 6, and 5 with 7
    >>> graph.components()
    array([0, 1, 0, 1, 2, 3, 2, 3])
    >>> graph.pin(a, "they are the network's outputs")
    >>> graph.pins, graph.is_held(a)
    ([(array([0, 1]), "they are the network's outputs")], True)
    """

    def __init__(self, network: Network, shapes: Shapes) -> None:
        self.network, self.shapes = network, shapes
        self.computed = fixed_values(network)
        """Values that the program computes of named tensors alone, such as weights."""
        self.constant = fixed_values(network, network.tensors.keys() - network.parameters)
        """Those of them that depend on no parameter, such as filters that blur."""
        self.values: dict[str, Labelling] = {}
        self.tensors: dict[str, Labelling] = {}
        self.weights = {
            leaf: (name, tuple(range(network.tensors[name].dim())))
            for leaf, name in network.leaves.items()
        }
        """Values that are a named tensor, perhaps transposed: its name, and for each dimension of
        the value the tensor's. −1 stands for a dimension along which the tensor is repeated."""
        self.producers: list[Producer] = []
        self.pins: list[tuple[Labels, str]] = []
        self.meetings: list[Meeting] = []
        self.groupings: list[Grouping] = []
        self.boundaries: list[Boundary] = []
        self.statistics: list[Statistic] = []
        self.normalized: dict[str, list[Labels]] = {}
        """For the result of a norm, the sets of channels that share their statistics."""
        self._pinned: set[int] = set()
        self._elastic: set[int] = set()
        self._couplings: list[tuple[Labels, Labels]] = []
        self._count = 0

    @cached_property
    def spectral_norms(self) -> list[SpectralNorm]:
        """The spectral norms of the program."""
        return list(spectral_norms(self.network))

    # --- labels -----------------------------------------------------------------------------------

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

    # --- couplings --------------------------------------------------------------------------------

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

    # --- values -----------------------------------------------------------------------------------

    def tensor(self, argument: object) -> str | None:
        """Return the user's name of a named tensor; None for anything else."""
        return self.network.leaves.get(argument.name) if isinstance(argument, Ref) else None

    def shape(self, ref: Ref) -> tuple[int, ...]:
        """Return the shape of a value."""
        return self.shapes.of(ref.name)

    def labelling(self, ref: Ref) -> Labelling:
        """Return the labels of a value; a named tensor gets new ones on first use."""
        name = self.tensor(ref)
        if name is None:
            return self.values[ref.name]
        if name not in self.tensors:
            self.tensors[name] = self.separate(ref.name)
        return self.tensors[name]

    def separate(self, value: str) -> Labelling:
        """Return new labels along each dimension of a value."""
        sizes = self.shapes.of(value)
        return tuple(
            array
            for dim, size in enumerate(sizes)
            if size > 1
            for array in placed(self.fresh(size), dim, len(sizes))
        )

    def fix(self, ref: Ref, dims: Iterable[int], reason: str) -> Labelling:
        """Record that these dimensions of a value keep their size; return its new labelling.

        Channels along one of them are pinned. Joint labels are tied along it, so that only whole
        slices can be pruned.
        """
        labelling = self.labelling(ref)
        for dim in dims:
            labelling = self.fix_array(labelling, dim, reason)
        store, key = (self.values, ref.name)
        if name := self.tensor(ref):
            store, key = self.tensors, name
        store[key] = labelling
        return labelling

    def fix_array(self, labelling: Labelling, dim: int, reason: str) -> Labelling:
        """Return the labelling with dimension `dim` fixed, as `fix` does for a value."""
        result = []
        for labels in labelling:
            if labels.shape[dim] > 1 and len(spanned(labels)) > 1:
                labels = self.tie(labels, dim)
            elif labels.shape[dim] > 1:
                self.pin(labels, reason)
            result.append(labels)
        return tuple(result)

    def along(self, ref: Ref, dim: int) -> Labels | None:
        """Return the labels [size] along one dimension, None where there are none.

        Joint labels are tied along it, so that they can be cut only along their other dimensions.
        """
        for labels in self.labelling(ref):
            if labels.shape[dim] > 1:
                if len(spanned(labels)) == 1:
                    return labels.ravel()
                self.fix(ref, [dim], "")
        return None
