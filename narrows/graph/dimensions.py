"""Dimensions in the arguments of operators: negative ones, lists, and permutations."""

from narrows.graph.node import Argument, Node, as_int


def as_list(argument: Argument) -> list[Argument]:
    """Return an argument that may be one item or a list as a list.

    >>> as_list(2), as_list([2, 3])
    ([2], [2, 3])
    """
    return argument if isinstance(argument, list) else [argument]


def axis(dim: Argument, rank: int) -> int:
    """Return the dimension `dim`, which may be negative, of `rank` dimensions as 0 … rank − 1.

    >>> axis(-1, 4), axis(2, 4), axis(-1, 0)
    (3, 2, 0)
    """
    return as_int(dim) % max(rank, 1)


def permutation(node: Node, rank: int) -> list[int]:
    """Return for each dimension of a permutation's result its dimension in the argument.

    >>> permutation(Node("transpose.int", {"dim0": 1, "dim1": -1}, ("y",), ""), 4)
    [0, 3, 2, 1]
    """
    inputs, order = node.inputs, list(range(rank))
    if node.op == "permute":
        return [axis(d, rank) for d in as_list(inputs["dims"])]
    if node.op.startswith("movedim"):
        old = [axis(d, rank) for d in as_list(inputs["source"])]
        new = [axis(d, rank) for d in as_list(inputs["destination"])]
        return _moved(rank, old, new)
    if node.op == "numpy_T":
        return order[::-1]
    if node.op in ("t", "mT", "transpose.int") and rank > 1:
        first, second = (-2, -1) if node.op == "mT" else (0, 1)
        a, b = axis(inputs.get("dim0", first), rank), axis(inputs.get("dim1", second), rank)
        order[a], order[b] = b, a
    return order


def _moved(rank: int, old: list[int], new: list[int]) -> list[int]:
    order = [d for d in range(rank) if d not in old]
    for destination, source in sorted(zip(new, old, strict=True)):
        order.insert(destination, source)
    return order
