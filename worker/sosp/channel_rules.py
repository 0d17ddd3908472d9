"""How each operator carries channel labels from its inputs to its outputs.

A rule couples labels in the book and returns the labels of the operator's results. An operator
without a rule pins what it reads: its channels are then reported as not prunable, with the reason.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from worker.sosp.labels import Dims, LabelBook, Labels, Producer
from worker.sosp.network import Argument, Network, Node, Ref, as_int, as_ref
from worker.sosp.shapes import Shapes

Rule = Callable[[LabelBook, Node, int], Sequence[Dims]]

RULES: dict[str, Rule] = {}


def rule(*ops: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of these operators."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, function))
        return function

    return register


def trace(network: Network, shapes: Shapes) -> LabelBook:
    """Walk through the program and return the book with every coupling and pin."""
    book = LabelBook(network, shapes)
    for spec in network.inputs:
        _, *sizes = shapes.of(spec.name)
        reason = "they are the network's inputs"
        book.values[spec.name] = (None, *(book.fixed(n, reason) if n > 1 else None for n in sizes))
    for index, node in enumerate(network.nodes):
        results = RULES.get(node.op, _pin_everything)(book, node, index)
        for name, dims in zip(node.outputs, results, strict=False):
            if name and name in shapes.values:
                book.values[name] = dims
    for name in network.outputs:
        for labels in book.dims(Ref(name)):
            book.pin(labels, "they are the network's outputs")
    return book


def _pin_everything(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    where = f" in {node.module}" if node.module else ""
    for name in node.references():
        if name in book.shapes.values:
            for labels in book.dims(Ref(name)):
                book.pin(labels, f"the operator {node.op}{where} is not followed")
    return [_untracked(book, name) for name in node.outputs]


def _untracked(book: LabelBook, name: str | None) -> Dims:
    return (None,) * len(book.shapes.values.get(name or "", ()))


def _subject(node: Node) -> Ref:
    """Return the value that an operator of one main argument works on."""
    return as_ref(node.inputs.get("self", node.inputs.get("input")))


def _owner(book: LabelBook, ref: object) -> str:
    """Return the module that owns a named tensor, "" where there is none."""
    return (book.tensor(ref) or "").rpartition(".")[0]


# --- layers: the rows of a weight make channels ---------------------------------------------------


@rule("conv1d", "conv2d", "conv3d", "conv1d.padding", "conv2d.padding")
def _convolution(book: LabelBook, node: Node, index: int) -> Sequence[Dims]:
    source, weight = _subject(node), node.inputs["weight"]
    if book.tensor(weight) is None or not isinstance(weight, Ref):
        return _pin_everything(book, node, index)
    batch, into, *_ = book.dims(source)
    rows, columns, *_ = book.dims(weight)
    groups = as_int(node.inputs.get("groups", 1))
    in_channels, out_channels = book.shape(source)[1], book.shape(weight)[0]
    module = _owner(book, weight)
    if groups == 1:
        book.couple(into, columns, node.op)
    elif (
        groups == in_channels
    ):  # depthwise: input channel i makes output channels k·i … k·i + k − 1
        spread = None if into is None else np.repeat(into, out_channels // in_channels)
        book.couple(spread, rows, node.op)
        book.count(module, "groups", into)
    else:
        for labels in (into, rows):
            if labels is not None:
                book.tie(labels, groups)
        book.couple(None if into is None else into[: in_channels // groups], columns, node.op)
    book.count(module, "in_channels", into)
    return [(batch, _produce(book, node, index, rows, "out_channels"), *_space(book, node))]


@rule("linear")
def _linear(book: LabelBook, node: Node, index: int) -> Sequence[Dims]:
    weight = node.inputs["weight"]
    if book.tensor(weight) is None or not isinstance(weight, Ref):
        return _pin_everything(book, node, index)
    *others, into = book.dims(_subject(node))
    rows, columns = book.dims(weight)
    book.couple(into, columns, node.op)
    book.count(_owner(book, weight), "in_features", into)
    return [(*others, _produce(book, node, index, rows, "out_features"))]


def _produce(
    book: LabelBook, node: Node, index: int, rows: Labels | None, attribute: str
) -> Labels | None:
    """Enter the layer into the book; its bias rides along with the rows of its weight."""
    if rows is None:  # a single output channel: nothing that could be pruned or compared
        return None
    weight, bias = as_ref(node.inputs["weight"]), node.inputs.get("bias")
    if isinstance(bias, Ref):
        book.couple(book.dims(bias)[0], rows, node.op)
    name = book.network.leaves[weight.name]
    book.producers.append(Producer(index, node.op, name, book.tensor(bias), rows))
    book.count(_owner(book, weight), attribute, rows)
    return rows


def _space(book: LabelBook, node: Node) -> Dims:
    return _untracked(book, node.outputs[0])[2:]


# --- norms: affine maps along the channels --------------------------------------------------------


@rule("batch_norm", "_native_batch_norm_legit_no_training", "instance_norm")
def _batch_norm(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    dims = book.dims(_subject(node))
    _ride_along(book, node, dims[1], "num_features")
    return [dims, (), ()]


@rule("group_norm")
def _group_norm(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    dims = book.dims(_subject(node))
    if dims[1] is not None:
        book.tie(dims[1], as_int(node.inputs["num_groups"]))
    _ride_along(book, node, dims[1], "num_channels")
    return [dims]


def _ride_along(book: LabelBook, node: Node, channels: Labels | None, attribute: str) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        ref = node.inputs.get(name)
        if isinstance(ref, Ref):
            book.couple(book.dims(ref)[0], channels, node.op)
    owners = (_owner(book, ref) for ref in node.inputs.values() if book.tensor(ref))
    if owner := next(owners, None):
        book.count(owner, attribute, channels)


# --- elementwise and pooling: channels stay where they are ----------------------------------------


@rule(
    *"abs alias atan celu ceil clamp clamp_max clamp_min clone contiguous cos cosh detach dropout "
    "elu erf exp expm1 floor gelu hardsigmoid hardswish hardtanh leaky_relu lift_fresh_copy log "
    "log1p mish neg pow.Tensor_Scalar reciprocal relu relu6 round rsqrt rsub.Scalar selu sigmoid "
    "sign silu sin sinh softplus sqrt square tan tanh to.dtype _to_copy type_as add.Scalar "
    "sub.Scalar mul.Scalar div.Scalar".split()
)
def _elementwise(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    return [book.dims(_subject(node))]


@rule(
    *"avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "_adaptive_avg_pool2d _adaptive_avg_pool3d max_pool1d max_pool2d max_pool3d "
    "max_pool2d_with_indices upsample_nearest2d.vec upsample_bilinear2d.vec "
    "reflection_pad2d".split()
)
def _spatial(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    space = len(book.shapes.of(node.outputs[0] or "")) - 2 if node.outputs[0] else 2
    result = (*book.dims(_subject(node))[:-space], *(None,) * space)
    return [result] * len(node.outputs)


@rule(*"add.Tensor sub.Tensor mul.Tensor div.Tensor maximum minimum pow.Tensor_Tensor".split())
def _binary(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    """Couple dimensions of equal size; broadcasting a dimension of size 1 couples nothing."""
    refs = [Ref(name) for name in node.references() if name in book.shapes.values]
    result: list[Labels | None] = []
    for axis in range(1, max(len(book.shape(ref)) for ref in refs) + 1):
        reach = [ref for ref in refs if len(book.shape(ref)) >= axis]
        size = max(book.shape(ref)[-axis] for ref in reach)
        full = [book.dims(ref)[-axis] for ref in reach if book.shape(ref)[-axis] == size]
        for other in full[1:]:
            book.couple(full[0], other, node.op)
        followed = all(labels is not None for labels in full)
        result.insert(0, full[0] if followed else None)
    return [tuple(result)]


@rule("prelu")
def _prelu(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    dims, slope = book.dims(_subject(node)), as_ref(node.inputs["weight"])
    if book.shape(slope) != (1,):
        book.couple(book.dims(slope)[0], dims[1], node.op)
        book.count(_owner(book, slope), "num_parameters", dims[1])
    return [dims]


# --- shape: channels move -------------------------------------------------------------------------


@rule(
    "view",
    "reshape",
    "flatten.using_ints",
    "unflatten.int",
    "squeeze",
    "squeeze.dim",
    "squeeze.dims",
    "unsqueeze",
    "_unsafe_view",
)
def _reshape(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    source, result = _subject(node), node.outputs[0]
    old, new = book.shape(source), book.shapes.of(result or "")
    dims: list[Labels | None] = []
    for before, after in _matching(old, new):
        labels = {i: book.dims(source)[i] for i in before if old[i] > 1}
        sizes = [new[i] for i in after]
        dims += _regroup(book, node, labels, [old[i] for i in labels], sizes)
    return [tuple(dims)]


def _matching(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[range, range]]:
    """Cut two shapes of equal volume into the shortest runs of dimensions of equal volume."""
    i = j = 0
    while i < len(old) or j < len(new):
        first_i, first_j, a, b = i, j, 1, 1
        while i == first_i or j == first_j or a != b:
            if i < len(old) and (a <= b or j == len(new)):
                a, i = a * old[i], i + 1
            elif j < len(new):
                b, j = b * new[j], j + 1
            else:
                break
        yield range(first_i, i), range(first_j, j)


def _regroup(
    book: LabelBook,
    node: Node,
    labels: dict[int, Labels | None],
    old: Sequence[int],
    new: Sequence[int],
) -> list[Labels | None]:
    """Carry the labels of one run of dimensions, without those of size 1, to sizes `new`."""
    followed = {place: ids for place, ids in enumerate(labels.values()) if ids is not None}
    wide = [place for place, size in enumerate(new) if size > 1]
    result: list[Labels | None] = [None] * len(new)
    if not followed:
        return result
    if len(wide) == 1 and len(followed) == 1:  # kept, or merged with dimensions without channels
        ((place, ids),) = followed.items()
        spread = ids.reshape([-1 if i == place else 1 for i in range(len(old))])
        result[wide[0]] = np.broadcast_to(spread, old).ravel()
        return result
    for ids in followed.values():
        book.pin(ids, f"{node.op} splits or mixes their dimension")
    return result


@rule("permute", "transpose.int", "t")
def _permute(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    dims = book.dims(_subject(node))
    order = list(range(len(dims)))
    if node.op == "permute":
        order = [_axis(d, len(dims)) for d in _list(node.inputs["dims"])]
    elif len(dims) > 1:
        a = _axis(node.inputs.get("dim0", 0), len(dims))
        b = _axis(node.inputs.get("dim1", 1), len(dims))
        order[a], order[b] = b, a
    return [tuple(dims[d] for d in order)]


@rule("cat")
def _cat(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    parts = [ref for ref in _list(node.inputs["tensors"]) if isinstance(ref, Ref)]
    axis = _axis(node.inputs.get("dim", 0), len(book.shape(parts[0])))
    joined = list(book.dims(parts[0]))
    for dim in range(len(joined)):
        pieces = [book.dims(part)[dim] for part in parts]
        if dim != axis:
            for other in pieces[1:]:
                book.couple(pieces[0], other, node.op)
        elif any(piece is not None for piece in pieces):
            reason = "they are joined with channels that are not followed"
            joined[dim] = np.concatenate(
                [
                    book.fixed(book.shape(part)[dim], reason) if piece is None else piece
                    for part, piece in zip(parts, pieces, strict=True)
                ]
            )
    return [tuple(joined)]


@rule("mean.dim", "sum.dim_IntList", "mean", "amax", "amin", "var.dim", "var.correction")
def _reduce(book: LabelBook, node: Node, _index: int) -> Sequence[Dims]:
    dims = book.dims(_subject(node))
    given = node.inputs.get("dim")
    axes = {_axis(d, len(dims)) for d in _list(given)} if given else set(range(len(dims)))
    for axis in axes:
        book.pin(dims[axis], f"{node.op} runs over them")
    if node.inputs.get("keepdim"):
        return [tuple(None if i in axes else ids for i, ids in enumerate(dims))]
    return [tuple(ids for i, ids in enumerate(dims) if i not in axes)]


def _list(argument: Argument) -> list[Argument]:
    return argument if isinstance(argument, list) else [argument]


def _axis(dim: Argument, rank: int) -> int:
    return as_int(dim) % rank
