"""What an operator computes in eval mode, where that differs from what the upload asks for.

Dropout is the identity, batch norm uses its running statistics, attention is written
out, and kernels that torch can't differentiate twice are replaced by ones that it can.

See docs/security.md, "Rules for archives", 9.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.graph import recurrent

aten: Any = torch.ops.aten


def _identity(input: Tensor, **_: Any) -> Tensor:  # noqa: A002, the schema's name
    return input


def _native_dropout(input: Tensor, **_: Any) -> tuple[Tensor, Tensor]:  # noqa: A002
    return input, torch.ones_like(input, dtype=torch.bool)


def _batch_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    eps: float,
    **_: Any,
) -> Tensor:
    """Normalize by the running statistics; as torch does, by the batch's where there are none."""
    if running_mean is None or running_var is None:
        return _written_out_batch_norm(input, weight, bias, eps=eps)
    result: Tensor = aten.batch_norm(
        input, weight, bias, running_mean, running_var, False, 0.0, eps, False
    )
    return result


def _written_out_batch_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    eps: float = 1e-5,
    **_: Any,
) -> Tensor:
    """Do as `_batch_norm`, differentiably along every argument.

    Torch's kernel is wrong in reverse mode over forward mode where it computes the statistics
    (2.13), and has no derivative along those that it is given.
    """
    along = (1, -1, *(1,) * (input.dim() - 2))
    weight, bias, mean, variance = (
        None if vector is None else vector.view(along)
        for vector in (weight, bias, running_mean, running_var)
    )
    over = [0, *range(2, input.dim())]
    return _normalize(input, over, weight, bias, eps, mean, variance)


def _native_batch_norm(**arguments: Any) -> tuple[Tensor, None, None]:
    return _written_out_batch_norm(**arguments), None, None


def _functional_batch_norm(**arguments: Any) -> tuple[Tensor, None, None, Tensor, Tensor]:
    """Return the running statistics unchanged as the new ones: they are frozen."""
    result = _written_out_batch_norm(**arguments)
    return result, None, None, arguments["running_mean"], arguments["running_var"]


def _instance_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    eps: float,
    **_: Any,
) -> Tensor:
    """Normalize as `_batch_norm` does, by each sample's own statistics where there are none."""
    if running_mean is not None and running_var is not None:
        return _written_out_batch_norm(input, weight, bias, running_mean, running_var, eps)
    result: Tensor = aten.group_norm(input, input.shape[1], weight, bias, eps, False)
    return result


def _layer_norm(
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    **_: Any,
) -> Tensor:
    """Normalize the last dimensions, written out for the same reason as `_batch_norm`."""
    return _normalize(input, range(-len(normalized_shape), 0), weight, bias, eps)


def _native_layer_norm(**arguments: Any) -> tuple[Tensor, None, None]:
    return _layer_norm(**arguments), None, None


def _normalize(
    x: Tensor,
    over: Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    mean: Tensor | None = None,
    variance: Tensor | None = None,
) -> Tensor:
    if mean is None or variance is None:
        variance, mean = torch.var_mean(x, list(over), correction=0, keepdim=True)
    result = (x - mean) * torch.rsqrt(variance + eps)
    result = result if weight is None else result * weight
    return result if bias is None else result + bias


def _native_group_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    group: int,
    eps: float,
    **_: Any,  # N, C and HxW: the input itself knows better
) -> tuple[Tensor, None, None]:
    return aten.group_norm(input, group, weight, bias, eps, False), None, None


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    **_: Any,  # dropout_p
) -> Tensor:
    """Return `softmax(q kᵀ · scale + mask) v`, zero where a mask hides every key, as torch does."""
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    scores = query @ key.transpose(-2, -1)
    scores = scores * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones_like(scores, dtype=torch.bool).tril()
    if attn_mask is None:
        return scores.softmax(-1) @ value
    if attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(attn_mask.logical_not(), -math.inf)
    else:
        scores = scores + attn_mask
    hidden = (scores == -math.inf).all(-1, keepdim=True)
    weights = scores.masked_fill(hidden, 0.0).softmax(-1).masked_fill(hidden, 0.0)
    return weights @ value


def _cpu_attention(**arguments: Any) -> tuple[Tensor, None]:
    return _attention(**arguments), None


def _glu(self: Tensor, dim: int = -1) -> Tensor:
    value, gate = self.chunk(2, dim)
    return value * gate.sigmoid()


def _embedding(weight: Tensor, indices: Tensor, **_: Any) -> Tensor:
    """Look up rows; the other options alter the gradient alone, away from the derivative."""
    return F.embedding(indices, weight)


def _gather(self: Tensor, dim: int, index: Tensor, **_: Any) -> Tensor:
    return self.gather(dim, index)  # a sparse gradient can't be differentiated


def _binary_cross_entropy(
    self: Tensor, target: Tensor, weight: Tensor | None = None, reduction: int = 1
) -> Tensor:
    """Return torch's loss, written out: its kernel fails in reverse over forward along `target`."""
    least = math.exp(-100)  # torch bounds the logarithms by -100
    hit, miss = self.clamp_min(least).log(), (1 - self).clamp_min(least).log()
    loss = -(target * hit + (1 - target) * miss)
    loss = loss if weight is None else loss * weight
    return (loss, loss.mean(), loss.sum())[reduction]


def _huber_loss(self: Tensor, target: Tensor, reduction: int = 1, delta: float = 1.0) -> Tensor:
    result: Tensor = aten.smooth_l1_loss(self, target, reduction, delta) * delta
    return result


def _hardsigmoid(self: Tensor) -> Tensor:
    return F.hardtanh(self + 3, 0.0, 6.0) / 6


def _root(power: Tensor, degree: float = 2.0) -> Tensor:
    """Return the root, all of whose derivatives at zero are 0, as torch's norms have the first.

    Torch's own second derivative there is NaN, and one dead sample would make everything NaN.
    """
    nothing = power == 0
    return power.masked_fill(nothing, 1.0).pow(1 / degree).masked_fill(nothing, 0.0)


def _vector_norm(
    self: Tensor,
    ord: float = 2.0,  # noqa: A002
    dim: list[int] | None = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Tensor:
    if 1 < ord < math.inf:
        return _root(self.abs().pow(ord).sum(dim, keepdim, dtype=dtype), ord)
    result: Tensor = aten.linalg_vector_norm(self, ord, dim, keepdim, dtype=dtype)
    return result


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """Return `v` with the norm `g` of every index along `dim` (-1: of all of it)."""
    return v * (g / _norm_but_along(v, dim))


def _weight_norm_interface(v: Tensor, g: Tensor, dim: int = 0) -> tuple[Tensor, Tensor]:
    norm = _norm_but_along(v, dim)
    return v * (g / norm), norm


def _norm_but_along(v: Tensor, dim: int) -> Tensor:
    return _vector_norm(v, dim=[d for d in range(v.dim()) if d != dim], keepdim=True)


def _deviation(variance: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda **arguments: _root(variance(**arguments))


def _view(self: Tensor, size: Sequence[int]) -> Tensor:
    """Reshape: the strides that a view needs may be lost on another device or under `vmap`."""
    return self.reshape(size)


def _on_default_device(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def make(**arguments: Any) -> Tensor:
        return function(**arguments, device=torch.get_default_device())

    return make


_DROPOUTS = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
_FACTORIES = {
    "arange": aten.arange.default,
    "arange.start": aten.arange.start,
    "arange.start_step": aten.arange.start_step,
    "full": aten.full.default,
    "ones": aten.ones.default,
    "scalar_tensor": aten.scalar_tensor.default,
    "zeros": aten.zeros.default,
}

REWRITES: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(_DROPOUTS, _identity),
    "native_dropout": _native_dropout,
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit": _native_batch_norm,
    "_native_batch_norm_legit.no_stats": _native_batch_norm,
    "_native_batch_norm_legit_no_training": _native_batch_norm,
    "_native_batch_norm_legit_functional": _functional_batch_norm,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "native_layer_norm": _native_layer_norm,
    "native_group_norm": _native_group_norm,
    "scaled_dot_product_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _cpu_attention,
    "binary_cross_entropy": _binary_cross_entropy,
    "embedding": _embedding,
    "gather": _gather,
    "glu": _glu,
    "gru.input": recurrent.gru,
    "lstm.input": recurrent.lstm,
    "hardsigmoid": _hardsigmoid,
    "huber_loss": _huber_loss,
    "linalg_vector_norm": _vector_norm,
    "_weight_norm": _weight_norm,
    "_weight_norm_interface": _weight_norm_interface,
    "std": _deviation(aten.var.default),
    "std.correction": _deviation(aten.var.correction),
    "std.dim": _deviation(aten.var.dim),
    "view": _view,
    "_unsafe_view": _view,
    **{name: _on_default_device(factory) for name, factory in _FACTORIES.items()},
}
"""Operators that do not run as torch's own: name to function, arguments named as in the schema."""
