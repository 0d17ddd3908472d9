"""Which dimension an operator's arguments mean."""

from narrows.graph.node import Argument, Node, as_int


def as_list(argument: Argument) -> list[Argument]:
    """Return an argument that may be one item or several as several."""
    return argument if isinstance(argument, list) else [argument]


def axis(dim: Argument, rank: int) -> int:
    """Return a dimension that may be counted from the end as one counted from the front.

    >>> axis(-1, 4), axis(2, 4), axis(-1, 0)
    (3, 2, 0)
    """
    return as_int(dim) % max(rank, 1)


def permutation(node: Node, rank: int) -> list[int]:
    """Return for each dimension of the result of a permutation the one that it was before.

    >>> permutation(Node("transpose.int", {"dim0": 1, "dim1": -1}, ("y",), ""), 4)
    [0, 3, 2, 1]
    """
    given, order = node.inputs, list(range(rank))
    if node.op == "permute":
        return [axis(d, rank) for d in as_list(given["dims"])]
    if node.op.startswith("movedim"):
        old = [axis(d, rank) for d in as_list(given["source"])]
        new = [axis(d, rank) for d in as_list(given["destination"])]
        return _moved(rank, old, new)
    if node.op == "numpy_T":
        return order[::-1]
    if node.op in ("t", "mT", "transpose.int") and rank > 1:
        first, second = (-2, -1) if node.op == "mT" else (0, 1)
        a, b = axis(given.get("dim0", first), rank), axis(given.get("dim1", second), rank)
        order[a], order[b] = b, a
    return order


def _moved(rank: int, old: list[int], new: list[int]) -> list[int]:
    order = [d for d in range(rank) if d not in old]
    for place, d in sorted(zip(new, old, strict=True)):
        order.insert(place, d)
    return order
