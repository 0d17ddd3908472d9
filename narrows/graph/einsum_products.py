"""Einsums with a parameter: written as linear layers, which is what they are.

`einsum("bnd,dhk->bnhk", x, w)` is a linear layer whose weight is w with its dimensions moved and
merged. So all that is known of layers holds for it, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from narrows.graph.dimensions import as_list
from narrows.graph.network import Network
from narrows.graph.node import Argument, Node, Ref

_REST = "..."


def with_products(network: Network) -> Network:
    """Return the network with linear layers in place of einsums of a value with a parameter.

    Where a letter is in both operands and in the result, as of a product in groups, it stays.

    >>> import torch
    >>> from narrows.graph.node import Input
    >>> inputs = {"equation": "bi,oi->bo", "tensors": [Ref("x"), Ref("w")]}
    >>> x = Input("x", torch.float32, ("batch", 3))
    >>> leaves, tensors = {"w": "weight"}, {"weight": torch.zeros(2, 3)}
    >>> call = Node("einsum", inputs, ("y",), "")
    >>> network = Network((call,), tensors, leaves, frozenset({"weight"}), (x,), ("y",))
    >>> [(node.op, *node.references()) for node in with_products(network).nodes]
    [('linear', 'x', 'w')]
    """
    nodes: list[Node] = []
    for node in network.nodes:
        product = _product(network, node) if node.op == "einsum" else None
        nodes += [node] if product is None else _layer(node, product)
    return replace(network, nodes=tuple(nodes))


@dataclass(frozen=True)
class _Product:
    """Letters that both operands have are summed over; `sizes` are those of the weight's letters.

    A value that begins with "..." has all of its letters in order.
    """

    value: Ref
    letters: str
    weight: Ref
    weight_letters: str
    result: str
    sizes: dict[str, int]

    @property
    def summed(self) -> str:
        return "".join(letter for letter in self.letters if letter in self.weight_letters)

    @property
    def free(self) -> str:
        return "".join(letter for letter in self.letters if letter not in self.weight_letters)

    @property
    def out(self) -> str:
        return "".join(letter for letter in self.result if letter in self.weight_letters)

    @property
    def is_layer(self) -> bool:
        words = (self.letters, self.weight_letters, self.result)
        rest = _REST in self.letters
        ends = (self.free + self.summed, self.free + self.out)
        return (
            all(len(set(word)) == len(word.replace(_REST, ".")) for word in words)
            and "." not in self.weight_letters
            and bool(self.summed and self.out)
            and set(self.result) == set(self.free + self.out)
            and set(self.weight_letters) == set(self.summed + self.out)
            and not set(self.summed) & set(self.out)
            and (not rest or (self.letters.startswith(_REST) and ends == (words[0], words[2])))
        )


def _product(network: Network, node: Node) -> _Product | None:
    operands, arrow, result = str(node.inputs["equation"]).replace(" ", "").partition("->")
    words = operands.split(",")
    refs = [ref for ref in as_list(node.inputs["tensors"]) if isinstance(ref, Ref)]
    own = [network.leaves.get(ref.name) in network.parameters for ref in refs]
    if not arrow or len(words) != 2 or len(refs) != 2 or sum(own) != 1:
        return None
    at = own.index(True)
    shape = network.tensors[network.leaves[refs[at].name]].shape
    if len(shape) != len(words[at]):
        return None
    sizes = dict(zip(words[at], shape, strict=True))
    product = _Product(refs[1 - at], words[1 - at], refs[at], words[at], result, sizes)
    return product if product.is_layer else None


def _layer(node: Node, product: _Product) -> list[Node]:
    """Return the calls of the layer: operands moved and merged, the layer, its result in order."""
    free, summed, out = product.free, product.summed, product.out
    calls = _Calls(node)
    x = calls.moved(product.value, product.letters, free + summed)
    x = calls.merged(x, -len(summed), -1)
    w = calls.moved(product.weight, product.weight_letters, out + summed)
    w = calls.merged(w, -len(summed), -1)
    w = calls.merged(w, 0, len(out) - 1)
    y = calls.add("linear", {"input": x, "weight": w})
    if len(out) > 1:
        sizes: list[Argument] = [product.sizes[letter] for letter in out]
        y = calls.add("unflatten.int", {"self": y, "dim": -1, "sizes": sizes})
    calls.moved(y, free + out, product.result)
    *before, last = calls.nodes
    return [*before, replace(last, outputs=node.outputs)]


class _Calls:
    """Calls in place of one, with names that no source has."""

    def __init__(self, node: Node) -> None:
        self.nodes: list[Node] = []
        self._node = node

    def add(self, op: str, inputs: Mapping[str, Argument]) -> Ref:
        name = f"{self._node.outputs[0]}.einsum.{len(self.nodes)}"
        self.nodes.append(replace(self._node, op=op, inputs=inputs, outputs=(name,)))
        return Ref(name)

    def moved(self, value: Ref, before: str, after: str) -> Ref:
        dims: list[Argument] = [before.index(letter) for letter in after]
        return value if before == after else self.add("permute", {"self": value, "dims": dims})

    def merged(self, value: Ref, first: int, last: int) -> Ref:
        if first == last:
            return value
        return self.add("flatten.using_ints", {"self": value, "start_dim": first, "end_dim": last})
