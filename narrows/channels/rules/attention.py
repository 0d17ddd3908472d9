"""Products of two values: attention, whose heads are structures, fused or written out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, independent, placed
from narrows.channels.rules.elementwise import Operand, combine
from narrows.channels.rules.layers import Weight, follow_product, weight_of
from narrows.channels.rules.registry import pin_everything, result_shape, rule, tensors_of
from narrows.graph.einsum_letters import letters_of
from narrows.graph.node import Node, Ref, as_ref


@rule("scaled_dot_product_attention", "_scaled_dot_product_flash_attention_for_cpu")
def _attention(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Couple each head of queries [batch, heads, tokens, width] with that of keys and values.

    With grouped queries, a head of keys and values is coupled with all query heads that read it.
    Where there is one head, each channel of its queries is coupled with that of its keys.
    """
    query, key, value = (as_ref(node.inputs[name]) for name in ("query", "key", "value"))
    for ref in (query, key, value):
        graph.fix(ref, [-2], "attention runs over them")
    compared = graph.along(query, -1), graph.along(key, -1)
    if compared[0] is None or compared[1] is None:  # several heads, of queries at least
        for labels in compared:
            graph.pin(labels, "attention compares queries and keys by them")
    else:
        graph.couple(*compared, node.op)
    width = graph.along(value, -1)  # no score depends on it
    mask = node.inputs.get("attn_mask")
    heads = [_batch(graph, ref) for ref in (query, key, value)]
    if node.inputs.get("enable_gqa"):
        heads[1:] = [_repeated(operand, heads[0][0]) for operand in heads[1:]]
    if isinstance(mask, Ref):
        heads.append(_batch(graph, mask))
    rank = len(result_shape(graph, node))
    result = (*combine(graph, heads, node.op), *placed(width, -1, rank))
    return [result, *[()] * (len(node.outputs) - 1)]


@rule("matmul", "bmm", "mm")
def _matmul(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow […, n, inner] × […, inner, m], which is a layer if the second operand is a weight."""
    a = as_ref(node.inputs["self"])
    b = as_ref(node.inputs["other" if node.op == "matmul" else "mat2"])
    weight = weight_of(graph, b)
    if weight is not None and weight_of(graph, a) is None and _is_matrix(weight):
        return follow_product(graph, node, index, a, weight)
    if min(len(graph.shape(a)), len(graph.shape(b))) < 2:
        return pin_everything(graph, node, index)
    graph.couple(graph.along(a, -1), graph.along(b, -2), node.op)
    rank = len(result_shape(graph, node))
    rows, columns = graph.along(a, -2), graph.along(b, -1)
    batch = combine(graph, [_batch(graph, a), _batch(graph, b)], node.op)
    return [(*batch, *placed(rows, -2, rank), *placed(columns, -1, rank))]


@rule("baddbmm")
def _baddbmm(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow `self + batch1 @ batch2`, such as attention with a bias for each head."""
    inputs = {"self": node.inputs["batch1"], "mat2": node.inputs["batch2"]}
    (product,) = _matmul(graph, replace(node, op="bmm", inputs=inputs), index)
    shape, added = result_shape(graph, node), as_ref(node.inputs["self"])
    operands = [(graph.shape(added), graph.labelling(added)), (shape, product)]
    return [combine(graph, operands, node.op)]


@rule("einsum")
def _einsum(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow a product of two values, such as of queries and keys.

    Where one of them is fixed, such as keys of positions, channels that it alone has are pinned.
    """
    refs = tensors_of(graph, node)
    letters, result = letters_of(node, [len(graph.shape(ref)) for ref in refs])
    summed = sorted(set("".join(letters)) - set(result))
    plain = result and all(len(set(word)) == len(word) for word in (*letters, result))
    varying = [ref.name in graph.network.varying for ref in refs]
    both = len(refs) == 2 and all(letter in word for letter in summed for word in letters)
    if not (plain and any(varying) and both):
        return pin_everything(graph, node, index)
    if not all(varying):
        fixed = varying.index(False)
        for letter in set(letters[fixed]) - set(letters[1 - fixed]):
            where = letters[fixed].index(letter)
            graph.pin(graph.along(refs[fixed], where), "a product takes them from a fixed value")
    for letter in summed:
        a, b = (
            graph.along(ref, word.index(letter)) for ref, word in zip(refs, letters, strict=True)
        )
        graph.couple(a, b, node.op)
    factors: list[Operand] = []
    for ref, word in zip(refs, letters, strict=True):
        shape = graph.shape(ref)
        order = [word.index(letter) for letter in (*result, *summed) if letter in word]
        places = [word.index(letter) if letter in word else None for letter in result]
        kept = independent(graph.labelling(ref), *(word.index(letter) for letter in summed))
        arrays = tuple(
            labels.transpose(order).reshape([1 if d is None else labels.shape[d] for d in places])
            for labels in kept
        )
        factors.append((tuple(1 if d is None else shape[d] for d in places), arrays))
    return [combine(graph, factors, node.op)]


def _is_matrix(weight: Weight) -> bool:
    """Tell whether a weight is a matrix, perhaps repeated over leading dimensions."""
    where = weight.where
    return len(where) >= 2 and all(dim == -1 for dim in where[:-2]) and -1 not in where[-2:]


def _batch(graph: ChannelGraph, ref: Ref) -> Operand:
    """Return a value's shape and labels without the last two dimensions."""
    shape = graph.shape(ref)
    labelling = independent(graph.labelling(ref), -2, -1)
    return (*shape[:-2], 1, 1), labelling


def _repeated(operand: Operand, like: tuple[int, ...]) -> Operand:
    """Repeat each head as often as grouped queries read it."""
    shape, labelling = operand
    if shape[-3] == 1:
        return operand
    times = like[-3] // shape[-3]
    repeated = tuple(np.repeat(a, times, -3) if a.shape[-3] > 1 else a for a in labelling)
    return (*shape[:-3], shape[-3] * times, 1, 1), repeated
