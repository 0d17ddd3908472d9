"""Contractions: the dimensions of values and weights that a call multiplies and sums over.

See docs/method.md, "Facts that are tested", 6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from narrows.channels.structures import Channels
from narrows.graph.dimensions import as_list, axis
from narrows.graph.einsum_letters import letters_of
from narrows.graph.node import Node, Ref, as_ref
from narrows.graph.recurrent import input_weights
from narrows.graph.shapes import Shapes

_CONVOLUTIONS = ("conv1d", "conv2d", "conv3d", "convolution")
_SUMS: Mapping[str, tuple[str, int, str, int]] = {
    "linear": ("input", -1, "weight", -1),
    **dict.fromkeys(_CONVOLUTIONS, ("input", 1, "weight", 1)),
    **{f"conv_transpose{n}d": ("input", 1, "weight", 0) for n in (1, 2, 3)},
    "matmul": ("self", -1, "other", -2),
    "mm": ("self", -1, "mat2", -2),
    "bmm": ("self", -1, "mat2", -2),
    "addmm": ("mat1", -1, "mat2", -2),
    "baddbmm": ("batch1", -1, "batch2", -2),
    "scaled_dot_product_attention": ("query", -1, "key", -1),
    "_scaled_dot_product_flash_attention_for_cpu": ("query", -1, "key", -1),
}
"""By family of operators: the two arguments, and the dimension of each, that are summed over."""
_NORMS = (
    "linalg_norm",
    "linalg_vector_norm",
)  # the former of vectors only: see narrows.graph.bounds


def sums(node: Node) -> bool:
    """Tell whether the operator sums over dimensions, mostly of products.

    >>> sums(Node("conv2d", {}, ("y",), "")), sums(Node("relu", {}, ("y",), ""))
    (True, False)
    """
    multiplies = _family(node) in _SUMS or _family(node) == "einsum" or input_weights(node)
    return bool(multiplies) or is_sum(node)


def is_sum(node: Node) -> bool:
    """Tell whether the operator sums numbers, or powers of them as a vector norm does.

    >>> is_sum(Node("sum", {}, ("y",), "")), is_sum(Node("linalg_vector_norm", {}, ("y",), ""))
    (True, True)
    """
    return _family(node) in ("sum", *_NORMS) and degree(node) > 0


def degree(node: Node) -> float:
    """Return the power of numbers that a vector norm sums; 1 for other sums.

    >>> degree(Node("linalg_norm", {}, ("y",), "")), degree(Node("sum", {}, ("y",), ""))
    (2.0, 1.0)
    """
    given = node.inputs.get("ord")
    if _family(node) not in _NORMS:
        return 1.0
    return float(given) if isinstance(given, int | float) else 2.0


@dataclass(frozen=True, slots=True)
class Operand:
    """A value, and the number of the dimension that a call sums over."""

    value: str
    axis: int


def contractions(
    node: Node, shapes: Shapes, channels: Channels | None = None
) -> Iterator[tuple[Operand, Operand]]:
    """Yield the pairs of dimensions that the call multiplies and sums over.

    Of a layer, the input comes first and the weight second; a recurrent one has several weights.
    Elementwise operators and depthwise convolutions have none, nor has, with `channels`, any
    convolution whose groups are cut as a whole: each reads itself. A linear layer's
    `y = Σ_i x[…, i] w[:, i]`:

    >>> call = Node("linear", {"input": Ref("x"), "weight": Ref("w")}, ("y",), "")
    >>> list(contractions(call, Shapes({"x": (2, 3), "w": (4, 3)}, batch=2)))
    [(Operand(value='x', axis=1), Operand(value='w', axis=1))]
    """
    if _family(node) == "einsum":
        yield from _einsum(node, shapes)
    elif weights := input_weights(node):
        source = as_ref(node.inputs["input"]).name
        features = Operand(source, len(shapes.of(source)) - 1)
        yield from ((features, Operand(weight, 1)) for weight in weights)
    elif _family(node) in _SUMS and not _reads_itself(node, shapes, channels):
        a, i, b, j = _SUMS[_family(node)]
        if node.inputs.get("transposed"):
            j = 0
        first, second = node.inputs[a], node.inputs[b]
        if isinstance(first, Ref) and isinstance(second, Ref):
            ranks = len(shapes.of(first.name)), len(shapes.of(second.name))
            j = max(j, -ranks[1])  # a matrix times a vector
            yield Operand(first.name, i % ranks[0]), Operand(second.name, j % ranks[1])


def sum_axes(node: Node, shapes: Shapes) -> Iterator[Operand]:
    """Yield the dimensions that a sum without products, or a vector norm, runs over.

    >>> call = Node("sum.dim_IntList", {"self": Ref("x"), "dim": [-1]}, ("y",), "")
    >>> list(sum_axes(call, Shapes({"x": (2, 3)}, batch=2)))
    [Operand(value='x', axis=1)]
    """
    source = node.inputs.get("self")
    if is_sum(node) and isinstance(source, Ref):
        rank, dims = len(shapes.of(source.name)), node.inputs.get("dim")
        for dim in dims if isinstance(dims, list) and dims else range(rank):
            yield Operand(source.name, axis(dim, rank))


def _family(node: Node) -> str:
    return node.op.partition(".")[0]


def _reads_itself(node: Node, shapes: Shapes, channels: Channels | None) -> bool:
    """Tell whether the call is a convolution each of whose groups has one structure's channels."""
    source, groups = node.inputs.get("input"), node.inputs.get("groups", 1)
    if not isinstance(source, Ref) or not isinstance(groups, int) or groups == 1:
        return False
    if groups == shapes.of(source.name)[1]:  # depthwise
        return True
    return channels is not None and channels.goes_by_groups(channels.values[source.name][1], groups)


def _einsum(node: Node, shapes: Shapes) -> Iterator[tuple[Operand, Operand]]:
    names = [ref.name for ref in as_list(node.inputs["tensors"]) if isinstance(ref, Ref)]
    words, result = letters_of(node, [len(shapes.of(name)) for name in names])
    for letter in sorted(set("".join(words)) - set(result)):
        summed = [
            Operand(name, word.index(letter))
            for name, word in zip(names, words, strict=True)
            if letter in word
        ]
        if len(summed) == 2:
            yield summed[0], summed[1]
