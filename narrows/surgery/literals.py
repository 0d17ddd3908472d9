"""The rules of literals: sizes, groups, pieces and bounds in calls, for other numbers of channels.

An operator without a rule has no literal that counts channels. If a rule missed one, the shapes of
the result differ from the count of channels, and `resize` refuses it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from narrows.channels.labels import Labels
from narrows.graph.dimensions import as_list, axis
from narrows.graph.node import Argument, Node, Ref, as_int, as_ref
from narrows.graph.rule_table import RuleTable
from narrows.surgery.channel_counts import ChannelCounts, SurgeryError

Rule = Callable[[Node, ChannelCounts], Sequence[Node]]

RULES: RuleTable[Rule] = RuleTable()
rule = RULES.rule


def adapt(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    """Return the call with its new literals, after calls that compute some of them.

    Raises SurgeryError where no literal would have the needed effect. With three copies of the
    first of the two neurons in `h` [batch, 2], `h[:, 0:1]` becomes `h[:, 0:3]`:

    >>> from narrows.example import two_neurons
    >>> _, shapes, channels = two_neurons()
    >>> inputs = {"self": Ref("h"), "dim": 1, "start": 0, "end": 1}
    >>> call = Node("slice.Tensor", inputs, ("first",), "")
    >>> (adapted,) = adapt(call, ChannelCounts(channels, shapes, np.array([3, 1])))
    >>> adapted.inputs["end"]
    3
    """
    adapt_literals = RULES.get(node.op)
    return adapt_literals(node, counts) if adapt_literals else [node]


def _changed(node: Node, **arguments: Argument) -> list[Node]:
    return [replace(node, inputs={**node.inputs, **arguments})]


def _source(node: Node) -> Ref:
    return as_ref(node.inputs.get("self", node.inputs.get("input")))


def _ints(argument: Argument) -> list[int]:
    return [as_int(item) for item in as_list(argument)]


def _along(node: Node, counts: ChannelCounts, default: int = 0) -> Labels | None:
    """Return the labels along the dimension `dim` if they change, else None."""
    labels = counts.dims(_source(node).name)[as_int(node.inputs.get("dim", default))]
    return labels if counts.changes(labels) else None


# --- sizes ----------------------------------------------------------------------------------------


@rule("view", "_unsafe_view", "reshape", "expand", "unflatten.int")
@rule("full", "new_full", "new_ones", "new_zeros", "ones", "zeros")
def _sizes(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    key = next(key for key in ("size", "shape", "sizes") if key in node.inputs)
    result = counts.sizes(node.outputs[0] or "")
    literals = as_list(node.inputs[key])
    first = len(result) - len(literals) if node.op == "expand" else 0
    if node.op == "unflatten.int":
        first = axis(node.inputs["dim"], len(counts.shapes.of(_source(node).name)))
    nodes: list[Node] = []
    sizes: list[Argument] = []
    for size, (before, after) in zip(literals, result[first:], strict=False):
        if before == after or size == -1:
            sizes.append(size)
        elif isinstance(size, Ref):
            nodes += _scaled(size, before, after, node.module)
            sizes.append(Ref(nodes[-1].outputs[0] or ""))
        else:
            sizes.append(after)
    return [*nodes, *_changed(node, **{key: sizes})]


def _scaled(size: Ref, before: int, after: int, module: str) -> list[Node]:
    """Return calls that compute `size · after / before`, for a size such as batch × heads.

    No name of an upload has dots in it, so the new names are unique.
    """
    product, quotient = f"{size.name}.{after}", f"{size.name}.{after}.{before}"
    return [
        Node("operator.mul", {"a": size, "b": after}, (product,), module),
        Node("operator.floordiv", {"a": Ref(product), "b": before}, (quotient,), module),
    ]


@rule("repeat_interleave.self_int")
def _repeat_interleave(node: Node, _recount: ChannelCounts) -> Sequence[Node]:
    return _changed(node, output_size=None)  # the other arguments determine it


@rule("squeeze", "squeeze.dim", "squeeze.dims")
def _squeeze(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    """Name the dimensions, so that one with a single remaining channel is not squeezed."""
    sizes = counts.sizes(_source(node).name)
    if not any(before > 1 == after for before, after in sizes):
        return [node]
    chosen = _ints(node.inputs["dim"]) if "dim" in node.inputs else list(range(len(sizes)))
    dims: list[Argument] = [dim for dim in chosen if sizes[dim][0] == 1]
    return [replace(node, op="squeeze.dims", inputs={"self": node.inputs["self"], "dim": dims})]


# --- pieces ---------------------------------------------------------------------------------------


@rule("split.Tensor", "split_with_sizes", "chunk")
def _split(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    """Give each piece its remaining channels; list the sizes where they differ."""
    if (labels := _along(node, counts)) is None:
        return [node]
    if node.op == "split_with_sizes":
        before = _ints(node.inputs["split_sizes"])
    elif node.op == "chunk":
        before = _pieces(len(labels), -(-len(labels) // as_int(node.inputs["chunks"])))
    else:
        before = _pieces(len(labels), as_int(node.inputs["split_size"]))
    after = [counts.count(piece) for piece in np.split(labels, np.cumsum(before)[:-1])]
    total = sum(after)
    if node.op == "chunk" and after == _pieces(total, -(-total // as_int(node.inputs["chunks"]))):
        return [node]
    if node.op == "split.Tensor" and after == _pieces(total, after[0]):
        return _changed(node, split_size=after[0])
    inputs = {
        "self": node.inputs["self"],
        "split_sizes": list[Argument](after),
        "dim": node.inputs.get("dim", 0),
    }
    return [replace(node, op="split_with_sizes", inputs=inputs)]


def _pieces(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, max(1, size))]


@rule("slice.Tensor", "slice_scatter")
def _slice(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    if (labels := _along(node, counts)) is None:
        return [node]
    start, end, step = (node.inputs.get(name) for name in ("start", "end", "step"))
    if isinstance(start, Ref) or isinstance(end, Ref):
        raise SurgeryError(f"{node.op}{_in(node)} has bounds that are not known")
    first, last, _ = slice(
        None if start is None else as_int(start), None if end is None else as_int(end)
    ).indices(len(labels))
    if step not in (None, 1):  # one of each so many neighbours, which go together
        return _changed(node, start=first, end=counts.count(labels))
    return _changed(node, start=counts.count(labels[:first]), end=counts.count(labels[:last]))


@rule("narrow")
def _narrow(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    if (labels := _along(node, counts)) is None:
        return [node]
    start = as_int(node.inputs["start"]) % len(labels)
    stop = start + as_int(node.inputs["length"])
    return _changed(
        node, start=counts.count(labels[:start]), length=counts.count(labels[start:stop])
    )


# --- factors, groups and norms --------------------------------------------------------------------


@rule("scaled_dot_product_attention", "_scaled_dot_product_flash_attention_for_cpu")
def _attention(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    """Keep the factor of the scores, which is by default that of the width."""
    before, after = counts.sizes(as_ref(node.inputs["query"]).name)[-1]
    same = before == after or node.inputs.get("scale") is not None
    return [node] if same else _changed(node, scale=before**-0.5)


@rule(
    *"conv1d conv2d conv3d conv1d.padding conv2d.padding conv3d.padding convolution "
    "conv_transpose1d conv_transpose2d.input conv_transpose3d.input".split()
)
def _convolution(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    """Count the groups of a convolution that is depthwise, or that is cut by whole groups."""
    return _channel_groups(node, counts, "groups")


@rule("group_norm")
def _group_norm(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    return _channel_groups(node, counts, "num_groups")


@rule("native_group_norm")
def _native_group_norm(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    (adapted,) = _channel_groups(node, counts, "group")
    return _changed(adapted, C=counts.sizes(_source(node).name)[1][1])


def _channel_groups(node: Node, counts: ChannelCounts, name: str) -> list[Node]:
    groups, labels = as_int(node.inputs.get(name, 1)), counts.dims(_source(node).name)[1]
    if labels is None or not counts.channels.goes_by_groups(labels, groups):
        return [node]
    return _changed(node, **{name: counts.count(labels.reshape(groups, -1)[:, 0])})


@rule("layer_norm", "native_layer_norm", "rms_norm")
def _layer_norm(node: Node, counts: ChannelCounts) -> Sequence[Node]:
    shape = as_list(node.inputs["normalized_shape"])
    sizes = counts.sizes(_source(node).name)[-len(shape) :]
    return _changed(
        node,
        normalized_shape=[
            size if before == after else after
            for size, (before, after) in zip(shape, sizes, strict=True)
        ],
    )


def _in(node: Node) -> str:
    return f" in {node.module}" if node.module else ""
