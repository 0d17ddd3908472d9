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
from narrows.forward_mode.rules.matrices import multiply, swapped
from narrows.forward_mode.rules.registry import rule
from narrows.forward_mode.rules.softmax import softmax_, softmax_backward_

SCORES = 1 << 17
"""How many scores are computed at a time: with their tangents and gradients, 2 MB in float32."""


class _Attention(torch.autograd.Function):
    """q [2, batch, heads, n, d], k [2, …, m, d], v [2, …, m, e] → [2, …, n, e].

    The mask [1, batch, heads, n, m] is added to the scores, and `hidden` [1, batch, heads, n, 1]
    tells where it hides every key; both may be None.
    """

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None,
        hidden: Tensor | None,
        scale: float,
    ) -> Tensor:
        ctx.save_for_backward(q, k, v, mask, hidden)
        ctx.scale = scale
        result = q.new_empty(*q.shape[:-1], v.shape[-1])
        (space,) = _spaces(1, q, k)
        for part in _parts(q, k):
            some_q, some_k, some_v, y = (_rows(part(x)) for x in (q, k, v, result))
            weights = _weights(some_q, some_k, part(mask), part(hidden), scale, space)
            multiply(weights.unbind(), some_v.unbind(), y.unbind())
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, mask, hidden = ctx.saved_tensors
        result = tuple(x.new_empty(x.shape) for x in (q, k, v))
        space, another = _spaces(2, q, k)
        for part in _parts(q, k):
            some_q, some_k, some_v, of_y = (_rows(part(x)) for x in (q, k, v, grad))
            of_q, of_k, of_v = (swapped(_rows(part(x))) for x in result)
            weights = _weights(some_q, some_k, part(mask), part(hidden), ctx.scale, space)
            of_scores = another[:, : weights.shape[1]]
            multiply(weights.mT.unbind(), swapped(of_y), of_v)
            multiply(swapped(of_y), some_v.mT.unbind(), swapped(of_scores))
            softmax_backward_(weights, of_scores)
            multiply(swapped(of_scores), some_k.unbind(), of_q, ctx.scale)
            multiply(swapped(of_scores.mT), some_q.unbind(), of_k, ctx.scale)
        return *result, None, None, None


def _spaces(count: int, q: Tensor, k: Tensor) -> Iterator[Tensor]:
    """Yield tensors for the scores of one part after another: fresh memory is slow to touch."""
    rows = math.prod(_sizes(q, k))
    for _ in range(count):
        yield q.new_empty(2, rows, q.shape[-2], k.shape[-2])


def _sizes(q: Tensor, k: Tensor) -> tuple[int, int]:
    """Return how many samples, and how many heads of each, are computed at a time."""
    _, batch, heads, n, _ = q.shape
    scores = n * k.shape[-2]
    return min(batch, max(1, SCORES // (heads * scores))), min(heads, max(1, SCORES // scores))


def _parts(q: Tensor, k: Tensor) -> Iterator[Callable[[Tensor | None], Any]]:
    """Yield functions that select some samples, or some heads of one sample."""
    _, batch, heads, _, _ = q.shape
    samples, some = _sizes(q, k)
    if (samples, some) == (batch, heads):
        yield lambda x: x
        return
    for first in range(0, batch, samples):
        for head in range(0, heads, some):
            yield partial(_part, first=first, samples=samples, head=head, heads=some)


def _part(x: Tensor | None, first: int, samples: int, head: int, heads: int) -> Any:
    return None if x is None else x[:, first : first + samples, head : head + heads]


def _rows(x: Tensor) -> Tensor:
    """Return [2, batch · heads, n, d] of [2, batch, heads, n, d]."""
    return x.flatten(1, 2)


def _weights(
    q: Tensor,
    k: Tensor,
    mask: Tensor | None,
    hidden: Tensor | None,
    scale: float,
    space: Tensor,
) -> Tensor:
    """Return both halves of the weights of attention, 0 where a mask hides every key."""
    weights = scores = space[:, : q.shape[1]]
    multiply(q.unbind(), k.mT.unbind(), scores.unbind(), scale)
    if mask is not None:
        of_value = scores[0].view(mask.shape[1:])
        of_value += mask[0]
        if hidden is not None:
            of_value.masked_fill_(hidden[0], 0)
    softmax_(scores)
    if hidden is not None:
        weights.view(2, *hidden.shape[1:-1], -1).masked_fill_(hidden, 0)
    return weights


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
    batch = q.shape[:-2]
    if len(batch) != 2 or any(x.shape[:-2] != batch for x in (k, v)):
        return differentiate(op, arguments)
    scale = arguments.get("scale")
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = (q.shape[-2], k.shape[-2])
    mask = _additive(mask, scores, q.value, arguments.get("is_causal", False))
    hidden = None
    if mask is not None:
        hidden = (mask == -math.inf).all(-1, keepdim=True)
        hidden = hidden.expand(1, *batch, scores[0], 1) if hidden.any() else None
        mask = mask.expand(1, *batch, *scores)
    run: Callable[..., Tensor] = _Attention.apply
    return Dual(run(q.both, k.both, v.both, mask, hidden, scale))


@rule("_scaled_dot_product_flash_attention_for_cpu")
def _cpu_attention(_: str, arguments: Arguments) -> Any:
    return [_attention("scaled_dot_product_attention", arguments), None]
