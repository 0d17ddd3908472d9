"""Values that depend on no input, not even on its size: computed weights, tables of positions."""

from collections.abc import Collection
from functools import cached_property
from typing import Any

from torch import Tensor

from narrows.graph.network import Network, run_node
from narrows.graph.values import arguments_of, named_results


def fixed_values(network: Network, known: Collection[str] | None = None) -> frozenset[str]:
    """Return the computed values that depend on no input, and on no tensor but the `known` ones.

    `known` holds names of tensors, by default all.

    >>> import torch
    >>> from narrows.graph.node import Input, Node, Ref
    >>> halved = Node("div.Scalar", {"self": Ref("w"), "other": 2.0}, ("v",), "")
    >>> product = Node("mul.Tensor", {"self": Ref("x"), "other": Ref("v")}, ("y",), "")
    >>> x = Input("x", torch.float32, ("batch",))
    >>> nodes, tensors = (halved, product), {"weight": torch.tensor([6.0])}
    >>> network = Network(nodes, tensors, {"w": "weight"}, frozenset({"weight"}), (x,), ("y",))
    >>> fixed_values(network), fixed_values(network, known=()), evaluate(network, ["v"])
    (frozenset({'v'}), frozenset(), {'v': tensor([3.])})
    """
    chosen = network.tensors if known is None else known
    leaves = {leaf for leaf, name in network.leaves.items() if name in chosen}
    fixed: set[str] = set()
    for node in network.nodes:
        if all(name in fixed or name in leaves for name in node.references()):
            fixed.update(filter(None, node.outputs))
    return frozenset(fixed)


def evaluate(network: Network, values: Collection[str]) -> dict[str, Tensor]:
    """Return the numbers of fixed values, by name; only the calls that they need are run."""
    needed, calls = set(values), []
    for index, node in reversed(list(enumerate(network.nodes))):
        if needed.intersection(filter(None, node.outputs)):
            needed.update(node.references())
            calls.append((index, node))
    found = {leaf: network.tensors[name] for leaf, name in network.leaves.items() if leaf in needed}
    for index, node in reversed(calls):
        found |= named_results(node, run_node(index, node, arguments_of(found, node)))
    return {value: found[value] for value in values}


class KnownTensors(dict[str, Any]):
    """The named tensors by value name, and what is computed of them; None for any other value."""

    def __init__(self, network: Network) -> None:
        super().__init__((v, network.tensors[name]) for v, name in network.leaves.items())
        self._network = network

    @cached_property
    def _fixed(self) -> frozenset[str]:
        return fixed_values(self._network)

    def __missing__(self, value: str) -> Tensor | None:
        return evaluate(self._network, [value])[value] if value in self._fixed else None
