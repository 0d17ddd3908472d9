"""`nn.MultiheadAttention`: its attributes, from the sizes of its projections and of its heads.

All of queries, keys, values and outputs are `embed_dim` wide, in `num_heads` heads of equal width.
A plan that gives them other sizes can't be expressed.
"""

from collections.abc import Iterator

from narrows.graph.dataflow import origins
from narrows.graph.node import Node, Ref
from narrows.plans.modules import Module, Width

_PRODUCTS = {
    "scaled_dot_product_attention": "query",
    "_scaled_dot_product_flash_attention_for_cpu": "query",
    "bmm": "self",
    "matmul": "self",
    "baddbmm": "batch1",
}
"""Operators that multiply queries [… , head width] with keys, and their argument for queries."""


def attention(module: Module) -> Iterator[tuple[str, Width]]:
    """Yield the attributes of a `MultiheadAttention`."""
    embeddings = list(_embeddings(module))
    for width in embeddings:
        yield "embed_dim", width
    for attribute, tensor in (("kdim", "k_proj_weight"), ("vdim", "v_proj_weight")):
        for width in module.sizes(tensor, 1) if tensor in module.tensors else embeddings:
            yield attribute, width
    for before, after in _head_widths(module):
        yield "head_dim", Width(before, before)
        yield "head_dim", Width(before, after)  # another one is a contradiction
        yield from (("num_heads", width.over(before, after)) for width in embeddings[:1])


def _embeddings(module: Module) -> Iterator[Width]:
    for name in ("in_proj_weight", "in_proj_bias"):
        yield from module.sizes(name, 0, blocks=3)
    yield from module.sizes("in_proj_weight", 1)
    for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
        yield from module.sizes(name, 0)
    yield from module.sizes("q_proj_weight", 1)
    for dim in (0, 1):
        yield from module.sizes("out_proj.weight", dim)
    yield from module.sizes("out_proj.bias", 0)
    for name in ("bias_k", "bias_v"):
        yield from module.sizes(name, 2)


def _head_widths(module: Module) -> Iterator[tuple[int, int]]:
    """Yield the width of the heads before and after, from the first product of queries and keys."""
    named = origins(module.network, module.counts.shapes)
    first = next((query for n in module.nodes if (query := _query(n)) and query not in named), None)
    if first is not None:
        yield module.counts.sizes(first)[-1]


def _query(node: Node) -> str | None:
    query = node.inputs.get(_PRODUCTS.get(node.op, ""))
    return query.name if isinstance(query, Ref) else None
