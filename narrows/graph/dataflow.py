"""Named tensors in a program: the values that are one, and the calls that read them."""

from collections.abc import Mapping, Sequence

from narrows.graph.dimensions import permutation
from narrows.graph.network import Network
from narrows.graph.node import Ref
from narrows.graph.shapes import Shapes

_MOVED = frozenset(
    "t mT numpy_T transpose.int permute contiguous clone detach alias lift_fresh_copy to.dtype "
    "_to_copy".split()
)
"""Operators that return a tensor as it is, or with its dimensions in another order."""

_VIEWS = frozenset("view _unsafe_view reshape expand unsqueeze".split())
"""Operators that may do no more than add dimensions in front."""

Origin = tuple[str, Sequence[int]]
"""A named tensor, and for each dimension of a value the number of the tensor's dimension.

-1 stands for a dimension along which the tensor is repeated.
"""


def origins(network: Network, shapes: Shapes) -> dict[str, Origin]:
    """Return the named tensor behind each value that is one, perhaps transposed or repeated.

    >>> from narrows.example import two_neurons
    >>> network, shapes, _ = two_neurons()
    >>> origins(network, shapes)
    {'w': ('hidden.weight', range(0, 2)), 'v': ('output.weight', range(0, 2))}
    """
    known: dict[str, Origin] = {
        leaf: (name, range(network.tensors[name].dim())) for leaf, name in network.leaves.items()
    }
    for node in network.nodes:
        source, result = node.inputs.get("self", node.inputs.get("v")), node.outputs[0]
        if isinstance(source, Ref) and source.name in known and result:
            name, axes = known[source.name]
            before, after = shapes.of(source.name), shapes.of(result)
            if node.op.startswith("_weight_norm"):  # of which surgery keeps the norms
                known[result] = known[source.name]
            elif node.op in _MOVED:
                known[result] = name, [axes[d] for d in permutation(node, len(before))]
            elif node.op in _VIEWS and before == after[len(after) - len(before) :]:
                known[result] = name, [*(-1,) * (len(after) - len(before)), *axes]
    return known


def tensor_readers(network: Network, known: Mapping[str, str]) -> dict[str, set[int]]:
    """Return for each named tensor the indices of the calls that read it.

    Calls that only move its dimensions do not count. `known` is the name of the tensor behind each
    value that is one, perhaps with its dimensions moved.

    >>> from narrows.example import two_neurons
    >>> network, *_ = two_neurons()
    >>> tensor_readers(network, network.leaves)
    {'hidden.weight': {0}, 'output.weight': {1}}
    """
    readers: dict[str, set[int]] = {}
    for index, node in enumerate(network.nodes):
        moved = {known[name] for name in node.outputs if name and name in known}
        for name in node.references():
            if name in known and known[name] not in moved:
                readers.setdefault(known[name], set()).add(index)
    return readers
