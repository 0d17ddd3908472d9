"""Attention, `softmax(q kᵀ scale + mask) v`, by its product rule.

Neither the scores nor the weights of attention are kept: backward computes them again, a few heads
at a time, so that they stay in the cache.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual, constant, differentiate
from narrows.forward_mode.rules.registry import rule
from narrows.forward_mode.rules.softmax import softmax_, softmax_backward_

SCORES = 1 << 17
"""How many scores are computed at a time: with their tangents and gradients, 2 MB in float32."""


class _Attention(torch.autograd.Function):
    """q [2, batch, heads, n, d], k [2, …, m, d], v [2, …, m, e] → [2, …, n, e].

    The mask [1, batch, heads, n, m] is added to the scores; it may be None.
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float
    ) -> Tensor:
        ctx.save_for_backward(q, k, v, mask)
        ctx.scale = scale
        result = q.new_empty(*q.shape[:-1], v.shape[-1])
        for part in _parts(q, k):
            weights = _weights(part(q), part(k), part(mask), scale)
            part(result).copy_(_product(weights, part(v)))
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, mask = ctx.saved_tensors
        of_q, of_k, of_v = (q.new_empty(x.shape) for x in (q, k, v))
        for part in _parts(q, k):
            weights = _weights(part(q), part(k), part(mask), ctx.scale)
            part(of_v).copy_(_of_right(weights, part(grad)))
            of_scores = softmax_backward_(weights, _of_left(part(grad), part(v)))
            of_scores.mul_(ctx.scale)
            part(of_q).copy_(_of_left(of_scores, part(k).mT))
            part(of_k).copy_(_of_right(part(q), of_scores).mT)
        return of_q, of_k, of_v, None, None


def _parts(q: Tensor, k: Tensor) -> Iterator[Callable[[Tensor | None], Any]]:
    """Yield functions that select some samples, or some heads of one sample."""
    _, batch, heads, n, _ = q.shape
    scores = n * k.shape[-2]
    samples, some = max(1, SCORES // (heads * scores)), min(heads, max(1, SCORES // scores))
    for first in range(0, batch, samples):
        for head in range(0, heads, some):
            yield partial(_part, first=first, samples=samples, head=head, heads=some)


def _part(x: Tensor | None, first: int, samples: int, head: int, heads: int) -> Any:
    return None if x is None else x[:, first : first + samples, head : head + heads]


def _weights(q: Tensor, k: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Return both halves of the weights of attention, 0 where a mask hides every key."""
    scores = _product(q * scale, k.mT)
    if mask is None:
        return softmax_(scores)
    scores[0] += mask[0]
    hidden = scores[0].amax(-1, keepdim=True) == -math.inf
    if not hidden.any():
        return softmax_(scores)
    scores[0].masked_fill_(hidden, 0)
    return softmax_(scores).masked_fill_(hidden, 0)


# --- products of matrices [2, …, n, k] and [2, …, k, m], and their gradients ----------------------


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Return `a b` and `a ḃ + ȧ b`."""
    result = a.new_empty(*a.shape[:-1], b.shape[-1])
    (value, tangent), (a0, a1), (b0, b1) = (x.flatten(1, -3) for x in (result, a, b))
    torch.bmm(a0, b0, out=value)
    torch.bmm(a0, b1, out=tangent).baddbmm_(a1, b0)
    return result


def _of_left(grad: Tensor, b: Tensor) -> Tensor:
    result = grad.new_empty(*grad.shape[:-1], b.shape[-2])
    (value, tangent), (g0, g1), (b0, b1) = (x.flatten(1, -3) for x in (result, grad, b.mT))
    torch.bmm(g0, b0, out=value).baddbmm_(g1, b1)
    torch.bmm(g1, b0, out=tangent)
    return result


def _of_right(a: Tensor, grad: Tensor) -> Tensor:
    result = grad.new_empty(*a.shape[:-2], a.shape[-1], grad.shape[-1])
    (value, tangent), (a0, a1), (g0, g1) = (x.flatten(1, -3) for x in (result, a.mT, grad))
    torch.bmm(a0, g0, out=value).baddbmm_(a1, g1)
    torch.bmm(a0, g1, out=tangent)
    return result


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
