"""Structures: channels that go together, and their positions in layers, values and tensors."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from narrows.channels.labels import Dims, Labels
from narrows.wording import counted

NO_STRUCTURE = -1
"""In place of a structure: the channel can't be pruned."""


@dataclass(frozen=True)
class Layer:
    """A convolution, linear map or embedding: its weights *go into* its output channels.

    `structures[c]` is the structure of output channel c, or `NO_STRUCTURE` where the channel can't
    be pruned; `reason` says why if none can. `nodes` are the indices of the calls that use
    `weight`. Its dimension `channel_dim` has an index for each channel; in a transposed convolution
    with groups, index j is that of channel j of every group.

    If the program computes the weight or the bias, they name the parameter that it is computed of.
    Where there is none, they are None; without a `weight`, the layer can't be pruned. `computed`
    names the value of such a weight, and its channel dimension. `tensors` are the parameters that
    are counted as the layer's own.

    >>> from narrows.example import two_neurons
    >>> hidden, output = two_neurons()[2].layers
    >>> hidden.structures, hidden.width, output.structures, output.reason
    (array([0, 1]), 2, array([-1]), 'it is the only one')
    """

    name: str
    op: str
    weight: str | None
    bias: str | None
    nodes: tuple[int, ...]
    structures: Labels
    group: int | None
    reason: str | None
    channel_dim: int = 0
    tensors: tuple[str, ...] = ()
    computed: tuple[str, int] | None = None

    @property
    def width(self) -> int:
        """The number of output channels."""
        return len(self.structures)

    @property
    def own(self) -> Labels:
        """The structures of its channels, each once."""
        own: Labels = np.unique(self.structures[self.structures != NO_STRUCTURE])
        return own


@dataclass(frozen=True)
class Channels:
    """The structures of a network, and the labels of every dimension that has their channels.

    Structure s is channel `positions[s]` of group `groups[s]`. `structure_of` maps a label to its
    structure or to `NO_STRUCTURE`; `tensors` holds the labels of the named tensors' dimensions,
    and `values` holds those of every value of the
    program, by the value's name; a dimension without labels (None) never changes its size.
    `normalized` holds, for the result of each norm over several channels, the sets of channels that
    share their statistics.
    """

    layers: tuple[Layer, ...]
    groups: Labels
    positions: Labels
    structure_of: Labels
    tensors: Mapping[str, Dims]
    values: Mapping[str, Dims]
    normalized: Mapping[str, Sequence[Labels]]

    def __len__(self) -> int:
        """Return S, the number of structures."""
        return len(self.groups)

    def __str__(self) -> str:
        """Return a text: the slices that a channel of each group is, and why other layers stay."""
        lines = []
        for group in np.unique(self.groups).tolist():
            layers = [layer.name for layer in self.layers if layer.group == group]
            width = int(np.count_nonzero(self.groups == group))
            lines.append(f"group {group}: {counted(width, 'channel')} of {', '.join(layers)}")
            parts = ", ".join(self._parts(group))
            indent = "  "
            lines += textwrap.wrap(
                f"channel c is {parts}", 80, initial_indent=indent, subsequent_indent=indent
            )
        stay = (layer for layer in self.layers if layer.group is None)
        lines += [
            f"{layer.name} keeps its {counted(layer.width, 'channel')}: {layer.reason}"
            for layer in stay
        ]
        return "\n".join(lines)

    def _parts(self, group: int) -> Iterator[str]:
        """Yield the slices of named tensors that make up a channel c of the group: `w[:, c]`."""
        for name, dims in self.tensors.items():
            for axis, labels in enumerate(dims):
                structures = np.empty(0, np.int64) if labels is None else self.structure_of[labels]
                own = structures[structures != NO_STRUCTURE]
                own = own[self.groups[own] == group]
                if len(own):
                    each = len(own) // len(np.unique(own))
                    index = "c" if each == 1 else f"{each} of c"
                    yield f"{name}[{':, ' * axis}{index}]"

    def owned(self) -> dict[bytes, Labels]:
        """Return the structures of each layer that has some; layers with the same count once.

        The keys are the structures' bytes, in the network's order.
        """
        return {own.tobytes(): own for layer in self.layers if len(own := layer.own)}

    def normalized_groups(self) -> set[int]:
        """Return the groups that a norm over several structures reads.

        The norm keeps its statistics only if all channels that it reads are copied equally often.
        """
        sets = [labels for of_norm in self.normalized.values() for labels in of_norm]
        several = [np.empty(0, np.int64)]
        several += [own for s in sets if len(own := np.unique(self.structure_of[s])) > 1]
        structures = np.concatenate(several)
        return set(self.groups[structures[structures != NO_STRUCTURE]].tolist())

    def goes_by_groups(self, labels: Labels | None, groups: int) -> bool:
        """Tell whether no structure has only a part of a group, of so many equal ones of channels.

        So it is with a depthwise convolution, each of whose groups has one channel.

        >>> from narrows.example import two_neurons
        >>> channels = two_neurons()[2]
        >>> neurons, _ = channels.tensors["hidden.weight"]
        >>> channels.goes_by_groups(neurons, 2), channels.goes_by_groups(neurons, 1)
        (True, False)
        """
        if labels is None or groups == 1 or len(labels) % groups:  # one sample, no batch
            return False
        structures = self.structure_of[labels].reshape(groups, -1)
        return bool((structures == structures[:, :1]).all())

    def block_sizes(self) -> Labels:
        """Return how many channels of one layer go with each structure, at most, [S].

        >>> from narrows.example import two_neurons
        >>> two_neurons()[2].block_sizes()
        array([1, 1])
        """
        sizes = np.ones(len(self), np.int64)
        for layer in self.layers:
            own, counts = np.unique(
                layer.structures[layer.structures != NO_STRUCTURE], return_counts=True
            )
            sizes[own] = np.maximum(sizes[own], counts)
        return sizes

    def members(self) -> list[list[tuple[str, int]]]:
        """Return for each structure the (layer, channel) pairs that go together.

        >>> from narrows.example import two_neurons
        >>> two_neurons()[2].members()
        [[('hidden', 0)], [('hidden', 1)]]
        """
        members: list[list[tuple[str, int]]] = [[] for _ in range(len(self))]
        for layer in self.layers:
            for channel, structure in enumerate(layer.structures.tolist()):
                if structure != NO_STRUCTURE:
                    members[structure].append((layer.name, channel))
        return members
