"""Which channels go together, and which stay: what the rules write down on their walk."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from narrows.channels.labels import Labelling, Labels, placed, spanned
from narrows.graph.network import Network
from narrows.graph.node import Ref
from narrows.graph.shapes import Shapes


@dataclass(frozen=True)
class Attribute:
    """A module's attribute that counts the channels `labels`, such as `in_channels`."""

    module: str
    name: str
    labels: Labels


@dataclass(frozen=True)
class Producer:
    """A call whose weight has, along its dimension `channel_dim`, an index for each channel made.

    `weight` names a tensor, or refers to a value where the program computes it. `rows` labels the
    channels of the call's result.
    """

    node: int
    op: str
    weight: str | Ref
    channel_dim: int
    bias: str | None
    rows: Labels


@dataclass(frozen=True)
class Meeting:
    """Labels along some of the dimensions of joint labels, such as a rotation of all heads.

    They can change only if the joint ones turn out to be cut along the same dimension.
    """

    joint: Labels
    part: Labels
    why: str


class ChannelGraph:
    """Labels, couplings and pins, written down while the rules walk through the program."""

    def __init__(self, network: Network, shapes: Shapes) -> None:
        self.network, self.shapes = network, shapes
        self.values: dict[str, Labelling] = {}
        self.tensors: dict[str, Labelling] = {}
        self.weights = {
            leaf: (name, tuple(range(network.tensors[name].dim())))
            for leaf, name in network.leaves.items()
        }
        """Values that are a named tensor with its dimensions moved: its name, and which is where.

        -1 stands for a dimension along which the tensor is repeated."""
        self.producers: list[Producer] = []
        self.attributes: list[Attribute] = []
        self.pins: list[tuple[Labels, str]] = []
        self.meetings: list[Meeting] = []
        self.normalized: dict[str, list[Labels]] = {}
        """For the result of a norm, the sets of channels that share their statistics."""
        self._pinned: set[int] = set()
        self._elastic: set[int] = set()
        self._couplings: list[tuple[Labels, Labels]] = []
        self._count = 0

    # --- labels -----------------------------------------------------------------------------------

    def fresh(self, size: int) -> Labels:
        """Return `size` labels that nothing else carries."""
        self._count += size
        return np.arange(self._count - size, self._count)

    def fixed(self, size: int, reason: str) -> Labels:
        """Return `size` fresh labels that can't be pruned, for `reason`."""
        labels = self.fresh(size)
        self.pin(labels, reason)
        return labels

    def elastic(self, size: int) -> Labels:
        """Return fresh labels of a broadcast dimension, which takes the size of what it meets."""
        labels = self.fresh(size)
        self._elastic.update(labels.tolist())
        return labels

    def pin(self, labels: Labels | None, reason: str) -> None:
        """Note that these channels can't be pruned, and why."""
        if labels is not None and labels.size:
            self.pins.append((labels.ravel(), reason))
            self._pinned.update(labels.ravel().tolist())

    def is_held(self, labels: Labels) -> bool:
        """Tell whether all of these labels are pinned so far."""
        return self._pinned.issuperset(labels.ravel().tolist())

    def is_bound(self, labels: Labels) -> bool:
        """Tell whether these labels stand for channels that might go, not for mere repetition."""
        return not (self.is_held(labels) or self._elastic.issuperset(labels.ravel().tolist()))

    # --- couplings --------------------------------------------------------------------------------

    def couple(self, a: Labels | None, b: Labels | None, why: str) -> None:
        """Make a[i] and b[i] one channel; where only one side is followed, pin it."""
        if a is not None and b is not None:
            self._couplings.append((a.ravel(), b.ravel()))
        else:
            self.pin(a if b is None else b, f"they meet a dimension that is not followed ({why})")

    def tie(self, labels: Labels, dim: int) -> Labels:
        """Make the labels along `dim` one; return those of its first index.

        The dimension keeps its size then, while others can change theirs.
        """
        first = labels.take([0], dim)
        self.couple(np.broadcast_to(first, labels.shape), labels, "")
        return first

    def tie_blocks(self, labels: Labels, blocks: int) -> None:
        """Make the channels at the same place of each of equal blocks one structure.

        Grouped operators need equally many channels in every group.
        """
        self.tie(labels.reshape(blocks, -1), 0)

    def components(self) -> Labels:
        """Return for each label the number of its component under the couplings."""
        empty = np.empty(0, np.int64)
        a = np.concatenate([empty, *(pair[0] for pair in self._couplings)])
        b = np.concatenate([empty, *(pair[1] for pair in self._couplings)])
        graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(self._count, self._count))
        return connected_components(graph, directed=False)[1].astype(np.int64)

    # --- values -----------------------------------------------------------------------------------

    def tensor(self, argument: object) -> str | None:
        """Return the user's name of a named tensor, None for anything else."""
        return self.network.leaves.get(argument.name) if isinstance(argument, Ref) else None

    def shape(self, ref: Ref) -> tuple[int, ...]:
        return self.shapes.of(ref.name)

    def labelling(self, ref: Ref) -> Labelling:
        """Return the labels of a value; a named tensor gets its own at first sight."""
        name = self.tensor(ref)
        if name is None:
            return self.values[ref.name]
        if name not in self.tensors:
            sizes = self.network.tensors[name].shape
            self.tensors[name] = tuple(
                array
                for dim, size in enumerate(sizes)
                if size > 1
                for array in placed(self.fresh(size), dim, len(sizes))
            )
        return self.tensors[name]

    def fix(self, ref: Ref, dims: Iterable[int], reason: str) -> Labelling:
        """Note that these dimensions of a value keep their size; return its labelling then.

        Channels along one of them are pinned. Of joint labels, whole slices go from now on.
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
        """Do as `fix` for one dimension of a labelling that no value needs to carry."""
        result = []
        for labels in labelling:
            if labels.shape[dim] > 1 and len(spanned(labels)) > 1:
                labels = self.tie(labels, dim)
            elif labels.shape[dim] > 1:
                self.pin(labels, reason)
            result.append(labels)
        return tuple(result)

    def along(self, ref: Ref, dim: int) -> Labels | None:
        """Return the labels along one dimension, None where there are none.

        Joint labels are cut along their other dimensions from now on.
        """
        for labels in self.labelling(ref):
            if labels.shape[dim] > 1:
                if len(spanned(labels)) == 1:
                    return labels.ravel()
                self.fix(ref, [dim], "")
        return None

    def count(self, module: str, attribute: str, labels: Labels | None) -> None:
        """Note that a module's attribute counts these channels."""
        if labels is not None:
            self.attributes.append(Attribute(module, attribute, labels))
