"""Attention, `softmax(q kᵀ scale + mask) v`, by its product rule.

Neither the scores nor the weights of attention are kept: backward computes them again, a few heads
at a time, so that they stay in the cache.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual, constant, differentiate
from narrows.forward_mode.rules.registry import rule
from narrows.forward_mode.rules.softmax import softmax_, softmax_backward_

SCORES = 1 << 17
"""How many scores are computed at a time: with their tangents and gradients, 2 MB in float32."""


class _Attention(torch.autograd.Function):
    """q [2, batch, heads, n, d], k [2, …, m, d], v [2, …, m, e], a mask that adds → [2, …, n, e]."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float
    ) -> Tensor:
        ctx.save_for_backward(q, k, v, mask)
        ctx.scale = scale
        result = q.new_empty(*q.shape[:-1], v.shape[-1])
        for q, k, v, mask, out in _parts(q, k, v, mask, result):
            out.copy_(_product(_weights(q, k, mask, scale), v))
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, mask = ctx.saved_tensors
        results = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v)]
        for q, k, v, mask, grad, of_q, of_k, of_v in _parts(q, k, v, mask, grad, *results):
            weights = _weights(q, k, mask, ctx.scale)
            of_v.copy_(_of_right(weights, grad))
            of_scores = softmax_backward_(weights, _of_left(grad, v)).mul_(ctx.scale)
            of_q.copy_(_of_left(of_scores, k.mT))
            of_k.copy_(_of_right(q, of_scores).mT)
        return *results, None, None


def _parts(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *others: Tensor
) -> Iterator[tuple[Any, ...]]:
    """Yield some samples at a time, or some heads of one sample; `mask` may be None."""
    _, batch, heads, n, _ = q.shape
    of_head = n * k.shape[-2]
    samples, some = max(1, SCORES // (heads * of_head)), min(heads, max(1, SCORES // of_head))
    for first in range(0, batch, samples):
        for head in range(0, heads, some):

            def part(x: Tensor) -> Tensor:
                return x[:, first : first + samples, head : head + some]

            masked = None if mask is None else part(mask.expand(1, batch, heads, *mask.shape[-2:]))
            yield part(q), part(k), part(v), masked, *map(part, others)


def _weights(q: Tensor, k: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Return both halves of the weights of attention, 0 where a mask hides every key."""
    scores = _product(q * scale, k.mT)
    if mask is None:
        return softmax_(scores)
    scores[0] += mask[0]
    if mask.isneginf().all(-1).any():
        hidden = mask[0].isneginf().all(-1, keepdim=True)
        scores[0].masked_fill_(hidden, 0)
        return softmax_(scores).masked_fill_(hidden, 0)
    return softmax_(scores)


# --- products of pairs of matrices [2, …, n, k] and [2, …, k, m], and their gradients -----------------


def _product(a: Tensor, b: Tensor) -> Tensor:
    value, tangent = a[0] @ b[0], a[0] @ b[1]
    return torch.stack([value, tangent.add_(a[1] @ b[0])])


def _of_left(grad: Tensor, b: Tensor) -> Tensor:
    of_value = (grad[0] @ b[0].mT).add_(grad[1] @ b[1].mT)
    return torch.stack([of_value, grad[1] @ b[0].mT])


def _of_right(a: Tensor, grad: Tensor) -> Tensor:
    of_value = (a[0].mT @ grad[0]).add_(a[1].mT @ grad[1])
    return torch.stack([of_value, a[0].mT @ grad[1]])


def _additive(
    mask: Tensor | None, scores: tuple[int, int], like: Tensor, causal: bool
) -> Tensor | None:
    """Return a mask that is added to the scores, None where nothing is."""
    if causal:
        mask = torch.ones(scores, dtype=torch.bool, device=like.device).tril()
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill_(
        mask.logical_not(), -math.inf
    )


@rule("scaled_dot_product_attention")
def _attention(op: str, arguments: Arguments) -> Any:
    q, k, v = (arguments[name] for name in ("query", "key", "value"))
    mask = arguments.get("attn_mask")
    if isinstance(mask, Dual) or arguments.get("enable_gqa"):
        return differentiate(op, arguments)
    q, k, v = (x if isinstance(x, Dual) else constant(x) for x in (q, k, v))
    batch = q.value.shape[:-2]
    if len(batch) != 2 or any(x.value.shape[:-2] != batch for x in (k, v)):
        return differentiate(op, arguments)
    scale = arguments.get("scale")
    scale = 1 / math.sqrt(q.value.shape[-1]) if scale is None else scale
    scores = (q.value.shape[-2], k.value.shape[-2])
    mask = _additive(mask, scores, q.value, arguments.get("is_causal", False))
    if mask is not None:
        mask = mask.expand(1, *batch, *scores)
    run: Callable[..., Tensor] = _Attention.apply
    return Dual(run(q.both, k.both, v.both, mask, scale))


@rule("_scaled_dot_product_flash_attention_for_cpu")
def _cpu_attention(_: str, arguments: Arguments) -> Any:
    return [_attention("scaled_dot_product_attention", arguments), None]
