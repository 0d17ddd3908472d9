"""Calls that pick along one dimension by the numbers of a named tensor."""

from dataclasses import dataclass

import torch

from narrows.graph.dimensions import as_list
from narrows.graph.network import Network
from narrows.graph.node import Node, Ref, as_int, as_ref


@dataclass(frozen=True)
class Selection:
    """Indices along `dim` of `source` are picked by `index`, which is the tensor `name`."""

    source: Ref
    dim: int
    index: Ref
    name: str


def selection(network: Network, node: Node) -> Selection | None:
    """Return what a call picks; None where it picks nothing, or by numbers that are computed.

    `x[:, [2]]` picks one, as `index_select` does. What picks several is no selection of channels,
    but mostly reads a table of positions.

    >>> index = {"self": Ref("x"), "indices": [None, Ref("i")]}
    >>> node = Node("index.Tensor", index, ("y",), "")
    >>> tensors, leaves = {"picked": torch.tensor([-1])}, {"i": "picked"}
    >>> selection(Network((node,), tensors, leaves, frozenset(), (), ("y",)), node)
    Selection(source=Ref(name='x'), dim=1, index=Ref(name='i'), name='picked')
    """
    if node.op == "index_select":
        dim, index = as_int(node.inputs["dim"]), node.inputs["index"]
    elif node.op == "index.Tensor":
        indices = as_list(node.inputs["indices"])
        used = [dim for dim, index in enumerate(indices) if index is not None]
        if len(used) != 1:
            return None
        dim, index = used[0], indices[used[0]]
    else:
        return None
    index = _copied(network, as_ref(index))
    name = network.leaves.get(index.name)
    if name is None:
        return None
    numbers = network.tensors[name]
    if node.op == "index.Tensor" and (numbers.shape != (1,) or numbers.dtype != torch.int64):
        return None
    return Selection(as_ref(node.inputs["self"]), dim, index, name)


def _copied(network: Network, value: Ref) -> Ref:
    """Return the constant that a value is a copy of, as torch exports a list in the program."""
    made = (n for n in network.nodes if n.op == "lift_fresh_copy" and value.name in n.outputs)
    return next((as_ref(node.inputs["self"]) for node in made), value)
