"""Numbers written out in the program: which change, and which the source may take from a shape.

An export has numbers where the code has `x.shape[1]`, `self.heads` or `4`. So a number that must
change may change by itself, and one that must stay may not: both are told.
"""

from collections.abc import Iterator, Mapping
from math import isclose
from typing import TypeGuard

from narrows.graph.dimensions import as_list
from narrows.graph.network import Network
from narrows.graph.node import Argument, Node, Ref, as_int, as_ref
from narrows.surgery.channel_counts import ChannelCounts, SurgeryError
from narrows.surgery.literals import adapt

_SIZED_BY_INPUT = frozenset(
    "linear bilinear matmul __matmul__ mm bmm addmm baddbmm einsum flatten ravel channel_shuffle "
    "pixel_shuffle pixel_unshuffle native_channel_shuffle conv1d conv2d conv3d conv_transpose1d "
    "conv_transpose2d conv_transpose3d prelu batch_norm instance_norm scaled_dot_product_attention "
    "expand_as view_as reshape_as repeat_interleave lstm gru rnn_tanh rnn_relu glu softmax".split()
)
"""Functions that take sizes from the tensors that they get, where the program has numbers."""

_NORMS = ("LayerNorm", "RMSNorm", "GroupNorm")
_SIZES = ("size", "shape", "sizes")
_BOUNDS = ("start", "end", "length", "split_size", "split_sizes")
_NO_BOUND = 1 << 40
_POWERS = (1, 0.5, -0.5, -1)


def numbers(network: Network, counts: ChannelCounts) -> Iterator[tuple[str, str]]:
    """Yield (module, reason) for each call with numbers that edits may leave wrong."""
    widths = changed_sizes(network, counts)
    for node in network.nodes:
        try:
            *sizes, call = adapt(node, counts)
        except SurgeryError as error:
            yield node.module, f"the plan can't be built: {error}"
            continue
        name = node.function or node.op
        changed = _changed(node, call)
        if sizes or changed:
            if not _follows(node, call, network, counts):
                told = ", ".join(dict.fromkeys(changed)) or "one that depends on an input's size"
                yield (
                    node.module,
                    f"{name} has numbers that must change ({told}), unless the code takes them "
                    "from a shape or from an edited attribute",
                )
        elif kept := dict.fromkeys(_derived(node, network, counts, widths)):
            told = ", ".join(f"{number:g}" for number in kept)
            yield (
                node.module,
                f"{name} must keep the number {told}, also if the code computes it from a width "
                "that changes",
            )


def _changed(node: Node, call: Node) -> list[str]:
    """Return what changes in a call: numbers as `before → after`, or else the whole argument."""
    told = []
    for key, after in call.inputs.items():
        before = node.inputs.get(key)
        if after == before or key == "output_size":
            continue
        pairs = list(zip(as_list(before), as_list(after), strict=False))
        if call.op != node.op or len(as_list(before)) != len(as_list(after)):
            pairs = [(before, after)]
        told += [f"{key} {a} → {b}" for a, b in pairs if a != b]
    return told


def _follows(node: Node, call: Node, network: Network, counts: ChannelCounts) -> bool:
    """Tell whether the source makes the adapted call by itself, once the edits are made."""
    kind = network.modules.get(node.module, "").removeprefix("torch.nn.")
    if kind == "MultiheadAttention" and node.function == "multi_head_attention_forward":
        return True
    if node.function in _SIZED_BY_INPUT:
        return call.inputs.get("scale") == node.inputs.get("scale")
    if "norm" in node.op and (kind in _NORMS or not network.modules):
        return True
    if node.op.startswith("conv") and (kind.startswith("Conv") or not network.modules):
        return True
    if node.op in ("slice.Tensor", "narrow"):
        return _same_piece(node, call, counts)
    return node.function == "chunk" and _is_chunked(node, call, counts)


def _same_piece(node: Node, call: Node, counts: ChannelCounts) -> bool:
    """Tell whether the bounds as written give the adapted piece, as in `x[:, 1:]`."""
    source = as_ref(node.inputs["self"]).name
    size = max(1, counts.sizes(source)[as_int(node.inputs.get("dim", 0))][1])

    def piece(call: Node) -> range:
        if call.op == "narrow":
            start = as_int(call.inputs["start"]) % size
            return range(start, start + as_int(call.inputs["length"]))
        bounds = (call.inputs.get(name) for name in ("start", "end"))
        return range(size)[slice(*(None if bound is None else as_int(bound) for bound in bounds))]

    return call.op == node.op and piece(node) == piece(call)


def _is_chunked(node: Node, call: Node, counts: ChannelCounts) -> bool:
    """Tell whether `chunk`, which the program may have as a split, gives the adapted pieces."""
    source = as_ref(node.inputs["self"]).name
    before, after = counts.sizes(source)[as_int(node.inputs.get("dim", 0))]
    pieces = len(node.outputs) if node.op != "chunk" else as_int(node.inputs["chunks"])
    sizes = call.inputs.get("split_sizes", call.inputs.get("split_size"))
    each = max(1, -(-after // pieces))
    equal = [min(each, after - start) for start in range(0, after, each)]
    return before == after or sizes in (each, equal)


def _derived(
    node: Node, network: Network, counts: ChannelCounts, changed: Mapping[str, set[int]]
) -> list[float]:
    """Return the numbers of a call that stay, but that code may compute from a changed width.

    These are sizes that divide such a width or are its multiple, bounds that equal it, and factors
    such as its root. A size that the call's tensor has, too, along a dimension that stays, such as
    a number of tokens, is that dimension's; a tensor that is made of nothing, such as a mask, has
    no width.
    """
    if network.modules.get(node.module, "").startswith("torch.nn."):
        return []
    scale, query = node.inputs.get("scale"), node.inputs.get("query")
    if isinstance(scale, float) and isinstance(query, Ref) and query.name in changed:
        before, after = counts.sizes(query.name)[-1]
        return [scale] if before != after else []
    if node.function in _SIZED_BY_INPUT or node.function == "chunk":
        return []
    source = node.inputs.get("self")
    if not isinstance(source, Ref) or source.name not in counts.shapes.values:
        return []
    stay = {before for before, after in counts.sizes(source.name) if before == after}
    sizes = [n for key in _SIZES for n in as_list(node.inputs.get(key)) if _is_size(n)]
    sizes = [size for size in sizes if size not in stay]
    bounds = [n for key in _BOUNDS for n in as_list(node.inputs.get(key)) if _is_size(n)]
    factor = node.inputs.get("other") if node.op.partition(".")[0] in ("mul", "div") else None
    factors = [factor] if isinstance(factor, float) or _is_size(factor) else []
    if not sizes and not bounds and not factors:
        return []
    widths = _inside(network, node.module, changed)
    return [
        *(n for n in sizes if any(n % width == 0 or width % n == 0 for width in widths)),
        *(n for n in bounds if n in widths),
        *(n for n in factors if any(isclose(n, w**p) for w in widths for p in _POWERS)),
    ]


def _is_size(number: Argument) -> TypeGuard[int]:
    return type(number) is int and 1 < number < _NO_BOUND


def changed_sizes(network: Network, counts: ChannelCounts) -> dict[str, set[int]]:
    """Return for each value that changes the sizes before, more than 1, of what changes.

    >>> import numpy as np
    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> changed_sizes(network, ChannelCounts(channels, shapes, np.array([2, 2])))
    {'h': {2}}
    """
    sizes = {
        value: {
            before
            for (before, _), labels in zip(counts.sizes(value), counts.dims(value), strict=True)
            if before > 1 and counts.changes(labels)
        }
        for value in counts.shapes.values
        if value not in network.leaves
    }
    return {value: changed for value, changed in sizes.items() if changed}


def _inside(network: Network, module: str, changed: Mapping[str, set[int]]) -> set[int]:
    """Return the sizes that change among the values that a module, or one in it, reads or makes."""
    prefix = f"{module}." if module else ""
    return {
        size
        for node in network.nodes
        if node.module == module or node.module.startswith(prefix)
        for name in (*node.references(), *filter(None, node.outputs))
        for size in changed.get(name, ())
    }
