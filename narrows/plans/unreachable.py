"""What no edit reaches: tensors that the user's own code makes, and numbers written out in it.

The built network is the source with the edits, but for what is found here: then its weights fit,
and it computes the same.
"""

from collections.abc import Collection, Iterator

from narrows.graph.network import Network
from narrows.graph.node import Node, as_int, as_ref
from narrows.plans.modules import Module
from narrows.surgery.channel_counts import ChannelCounts, SurgeryError
from narrows.surgery.function_preserving import shares
from narrows.surgery.literals import adapt

Incomplete = tuple[str, str]
"""A module, and what its edits don't reach there."""

_SIZED_BY_INPUT = frozenset(
    "linear bilinear matmul __matmul__ mm bmm addmm baddbmm einsum flatten ravel channel_shuffle "
    "pixel_shuffle pixel_unshuffle native_channel_shuffle conv1d conv2d conv3d conv_transpose1d "
    "conv_transpose2d conv_transpose3d prelu batch_norm instance_norm scaled_dot_product_attention "
    "expand_as view_as reshape_as repeat_interleave lstm gru rnn_tanh rnn_relu glu softmax".split()
)
"""Functions that take sizes from the tensors that they get, where the program has numbers."""

_NORMS = ("LayerNorm", "RMSNorm", "GroupNorm")


def unreachable(
    network: Network, counts: ChannelCounts, modules: Collection[Module]
) -> Iterator[Incomplete]:
    """Yield the modules that need more than edits of `modules`, and why; some come repeatedly."""
    yield from _own_tensors(network, counts, modules)
    yield from _numbers(network, counts)
    yield from _divisions(network, counts)
    yield from _unread(network, counts, modules)


def _own_tensors(
    network: Network, counts: ChannelCounts, modules: Collection[Module]
) -> Iterator[Incomplete]:
    """Yield tensors that change, and that no module of a known class makes."""
    known = _names(modules)
    for name, first in _all_names(network).items():
        before = tuple(network.tensors[first].shape)
        dims = counts.tensor_dims(first, len(before))
        if not any(map(counts.changes, dims)):
            continue
        after = tuple(
            size if labels is None else counts.count(labels)
            for size, labels in zip(before, dims, strict=True)
        )
        path, _, own = name.rpartition(".")
        if first in network.transient:
            yield path, f"the state dict does not hold {own!r}, whose channels change: make it anew"
        elif name not in known and before != after:
            kind = network.modules.get(path)
            code = f"{kind}, which has no known attributes" if kind else "an unknown class"
            yield (
                path,
                f"{own!r} of shape {list(before)} must become {list(after)}; it is of {code}",
            )


def _numbers(network: Network, counts: ChannelCounts) -> Iterator[Incomplete]:
    """Yield calls with numbers that change, and that no attribute of a known class sets."""
    for node in network.nodes:
        try:
            *sizes, call = adapt(node, counts)
        except SurgeryError as error:
            yield node.module, f"the plan can't be built: {error}"
            continue
        changed = {
            key: (node.inputs.get(key), value)
            for key, value in call.inputs.items()
            if key != "output_size" and value != node.inputs.get(key)
        }
        if (sizes or changed) and not _follows(node, call, network, counts):
            numbers = "; ".join(f"{a} → {b}" for a, b in changed.values() if not sizes)
            yield (
                node.module,
                f"{node.function or node.op} has numbers that must change, unless the code takes "
                f"them from a shape or from an edited attribute{numbers and ': '}{numbers}",
            )


def _follows(node: Node, call: Node, network: Network, counts: ChannelCounts) -> bool:
    """Tell whether the source makes the adapted call by itself, once the edits are made."""
    kind = network.modules.get(node.module, "").removeprefix("torch.nn.")
    if kind == "MultiheadAttention" and node.function == "multi_head_attention_forward":
        return True
    if "norm" in node.op and (kind in _NORMS or not network.modules):
        return True
    if node.op.startswith("conv") and (kind.startswith("Conv") or not network.modules):
        return True
    if node.op in ("slice.Tensor", "narrow"):
        return _same_piece(node, call, counts)
    if node.function == "chunk":
        return _is_chunked(node, call, counts)
    return node.function in _SIZED_BY_INPUT


def _same_piece(node: Node, call: Node, counts: ChannelCounts) -> bool:
    """Tell whether the bounds as written give the adapted piece, as in `x[:, 1:]`."""
    source = as_ref(node.inputs["self"]).name
    size = counts.sizes(source)[as_int(node.inputs.get("dim", 0))][1]

    def piece(call: Node) -> range:
        if call.op == "narrow":
            start = as_int(call.inputs["start"]) % size
            return range(start, start + as_int(call.inputs["length"]))
        bounds = (call.inputs.get(name) for name in ("start", "end"))
        return range(size)[slice(*(None if bound is None else as_int(bound) for bound in bounds))]

    return piece(node) == piece(call)


def _is_chunked(node: Node, call: Node, counts: ChannelCounts) -> bool:
    """Tell whether `chunk`, which the program may have as a split, gives the adapted pieces."""
    source = as_ref(node.inputs["self"]).name
    before, after = counts.sizes(source)[as_int(node.inputs.get("dim", 0))]
    pieces = len(node.outputs) if node.op != "chunk" else as_int(node.inputs["chunks"])
    sizes = call.inputs.get("split_sizes", call.inputs.get("split_size"))
    each = -(-after // pieces)
    equal = [min(each, after - start) for start in range(0, after, each)]
    return before == after or sizes in (each, equal)


def _divisions(network: Network, counts: ChannelCounts) -> Iterator[Incomplete]:
    """Yield calls before which a function-preserving network divides, since no weight can."""
    if (counts.copies > 1).any():
        for index, (_, times) in shares(network, counts).scaled.items():
            node = network.nodes[index]
            yield (
                node.module,
                f"a network built with init='preserve' divides what {node.op} reads here by "
                f"{times}, since its weights are tied or it has none; the source must do so, too",
            )


def _unread(
    network: Network, counts: ChannelCounts, modules: Collection[Module]
) -> Iterator[Incomplete]:
    """Yield modules that the program does not read, and that may be as wide as what changes."""
    widths = _changed_sizes(network, counts)
    read = {network.leaves.get(name) for node in network.nodes for name in node.references()}
    known = _names(modules)
    for name, first in _all_names(network).items():
        sizes = network.tensors[first].shape
        if first in read or name in known or first in network.transient:
            continue
        if any(size % width == 0 for size in sizes for width in widths):
            path, _, own = name.rpartition(".")
            where = f" ({own!r})" if not path else ""
            yield (
                path,
                f"not in the exported program (used only in training?){where}: it may need the new "
                "width",
            )


def _changed_sizes(network: Network, counts: ChannelCounts) -> set[int]:
    """Return the sizes, more than 1, of the dimensions that change."""
    values = [*network.leaves, *(name for node in network.nodes for name in node.outputs if name)]
    return {
        before
        for value in values
        if value in counts.shapes.values
        for (before, _), labels in zip(counts.sizes(value), counts.dims(value), strict=True)
        if before > 1 and counts.changes(labels)
    }


def _all_names(network: Network) -> dict[str, str]:
    return {name: name for name in network.tensors} | dict(network.aliases)


def _names(modules: Collection[Module]) -> set[str]:
    return {f"{m.path}.{own}" if m.path else own for m in modules for own in m.tensors}
