"""Operators in eval mode, where that differs from the call in the upload.

Dropout is the identity, and batch norm uses its running statistics. Attention is written out, and
kernels that torch can't differentiate twice are replaced by ones that it can.

See docs/security.md, "Rules for archives", 9.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.graph import margin_losses, recurrent, replacements
from narrows.graph.normalization import (
    batch_norm,
    functional_batch_norm,
    instance_norm,
    layer_norm,
    native_batch_norm,
    native_group_norm,
    native_layer_norm,
)
from narrows.graph.roots import deviation, vector_norm, weight_norm, weight_norm_interface

aten: Any = torch.ops.aten


def _identity(input: Tensor, **_: Any) -> Tensor:  # noqa: A002, the schema's name
    return input


def _native_dropout(input: Tensor, **_: Any) -> tuple[Tensor, Tensor]:  # noqa: A002
    return input, torch.ones_like(input, dtype=torch.bool)


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
    """Look up rows; the other options change only the gradient, and make it a wrong derivative."""
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
    "eye": aten.eye.default,
    "eye.m": aten.eye.m,
    "hann_window": aten.hann_window.default,
    "linspace": aten.linspace.default,
    "logspace": aten.logspace.default,
    "tril_indices": aten.tril_indices.default,
    "triu_indices": aten.triu_indices.default,
    "full": aten.full.default,
    "ones": aten.ones.default,
    "scalar_tensor": aten.scalar_tensor.default,
    "zeros": aten.zeros.default,
}

REWRITES: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(_DROPOUTS, _identity),
    "aminmax": replacements.aminmax,
    "native_dropout": _native_dropout,
    "batch_norm": batch_norm,
    "_native_batch_norm_legit": native_batch_norm,
    "_native_batch_norm_legit.no_stats": native_batch_norm,
    "_native_batch_norm_legit_no_training": native_batch_norm,
    "_native_batch_norm_legit_functional": functional_batch_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "native_layer_norm": native_layer_norm,
    "native_group_norm": native_group_norm,
    "scaled_dot_product_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _cpu_attention,
    "binary_cross_entropy": _binary_cross_entropy,
    "embedding": _embedding,
    "gather": _gather,
    "glu": _glu,
    "gru.input": recurrent.gru,
    "lstm.input": recurrent.lstm,
    "rnn_relu.input": recurrent.rnn(torch.relu),
    "rnn_tanh.input": recurrent.rnn(torch.tanh),
    "hardsigmoid": _hardsigmoid,
    "grid_sampler": replacements.grid_sampler,
    "linalg_norm": replacements.linalg_norm,
    "rrelu": replacements.rrelu,
    "multi_margin_loss": margin_losses.multi_margin_loss,
    "multilabel_margin_loss": margin_losses.multilabel_margin_loss,
    "soft_margin_loss": margin_losses.soft_margin_loss,
    "huber_loss": _huber_loss,
    "linalg_vector_norm": vector_norm,
    "_weight_norm": weight_norm,
    "_weight_norm_interface": weight_norm_interface,
    "std": deviation(aten.var.default),
    "std.correction": deviation(aten.var.correction),
    "std.dim": deviation(aten.var.dim),
    "copy": replacements.copy,
    "fill.Tensor": replacements.fill,
    "index_put": replacements.index_put,
    "to.device": replacements.to,
    "to.dtype_layout": replacements.to,
    "view": _view,
    "_unsafe_view": _view,
    **{name: _on_default_device(factory) for name, factory in _FACTORIES.items()},
}
"""Functions that run in place of torch's operators, by name; with the schema's argument names."""
