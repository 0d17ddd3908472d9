"""The graph of channels: the labels of a program's tensors and values, as the rules record them."""

from collections.abc import Iterable
from functools import cached_property

from narrows.channels.couplings import Couplings
from narrows.channels.labels import Labelling, Labels, placed, spanned
from narrows.channels.records import Grouping, Meeting, Producer, Statistic
from narrows.graph.constants import fixed_values
from narrows.graph.network import Network
from narrows.graph.node import Ref
from narrows.graph.shapes import Shapes
from narrows.graph.spectral_norms import SpectralNorm, spectral_norms


class ChannelGraph(Couplings):
    """What the rules record of a program while they walk through it: its labels, by their names.

    >>> from narrows.example import two_neurons
    >>> graph = ChannelGraph(*two_neurons()[:2])
    >>> graph.labelling(Ref("w")), graph.tensor(Ref("w"))
    ((array([[0],
           [1]]),), 'hidden.weight')
    """

    def __init__(self, network: Network, shapes: Shapes) -> None:
        super().__init__()
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
        self.meetings: list[Meeting] = []
        self.groupings: list[Grouping] = []
        self.statistics: list[Statistic] = []
        self.normalized: dict[str, list[Labels]] = {}
        """For the result of a norm, the sets of channels that share their statistics."""

    @cached_property
    def spectral_norms(self) -> list[SpectralNorm]:
        """The spectral norms of the program."""
        return list(spectral_norms(self.network))

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
