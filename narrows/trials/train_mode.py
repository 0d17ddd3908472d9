"""Operators in train mode, where a network in eval mode runs another, such as dropout.

Each form takes the arguments by the names of the schema, and updates running statistics in place.

See docs/trials.md, "Train mode".
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.graph import eval_mode
from narrows.graph.node import Node
from narrows.graph.operators import OPERATORS

aten: Any = torch.ops.aten

Form = Callable[..., Any]
"""The arguments by name → the result or the results of the node."""


def batch_norm(
    input: Tensor,  # noqa: A002, the schema's name
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
    **_: Any,  # training, cudnn_enabled
) -> Tensor:
    """Normalize by the batch's statistics, and move the running ones towards them.

    >>> mean, variance = torch.zeros(1), torch.ones(1)
    >>> batch_norm(torch.tensor([[1.0], [3.0]]), None, None, mean, variance, 0.5, 1e-9)
    tensor([[-1.],
            [ 1.]])
    >>> mean, variance  # halfway to the mean 2, and to the unbiased variance 2
    (tensor([1.]), tensor([1.5000]))
    """
    return F.batch_norm(input, running_mean, running_var, weight, bias, True, momentum, eps)


def _native_batch_norm(**arguments: Any) -> tuple[Tensor, None, None]:
    return batch_norm(**arguments), None, None


def _functional_batch_norm(**arguments: Any) -> tuple[Tensor, None, None, Tensor, Tensor]:
    result = batch_norm(**arguments)
    return result, None, None, arguments["running_mean"], arguments["running_var"]


def _instance_norm(**arguments: Any) -> Tensor:
    result: Tensor = aten.instance_norm(**{**arguments, "use_input_stats": True})
    return result


def _native_dropout(**arguments: Any) -> Any:
    return aten.native_dropout(**{**arguments, "train": True})


def _dropout(op: str) -> Form:
    return lambda **arguments: OPERATORS[op](**{**arguments, "train": True})


def _between_layers(recurrent_layer: Form) -> Form:
    return lambda **arguments: recurrent_layer(**arguments, dropped=arguments["dropout"])


def _cpu_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, None]:
    result = F.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale
    )
    return result, None


def _attention(**arguments: Any) -> Tensor:
    result: Tensor = aten.scaled_dot_product_attention(**arguments)
    return result


def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    **_: Any,  # sparse
) -> Tensor:
    """Look up rows; the row `padding_idx` gets no gradient, as in the training of the upload."""
    result: Tensor = aten.embedding(weight, indices, padding_idx, scale_grad_by_freq, False)
    return result


def _rrelu(**arguments: Any) -> Tensor:
    result: Tensor = aten.rrelu(**{**arguments, "training": True})
    return result


BATCH_NORMS: Mapping[str, Form] = {
    "batch_norm": batch_norm,
    "_native_batch_norm_legit": _native_batch_norm,
    "_native_batch_norm_legit_no_training": _native_batch_norm,
    "_native_batch_norm_legit_functional": _functional_batch_norm,
}
STATISTICS: Mapping[str, Form] = {**BATCH_NORMS, "instance_norm": _instance_norm}
"""Norms that may keep running statistics."""
RECURRENT = ("gru.input", "lstm.input", "rnn_relu.input", "rnn_tanh.input")
_DROPOUTS: Mapping[str, tuple[str, Form]] = {
    **{
        op: ("p", _dropout(op))
        for op in ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
    },
    "native_dropout": ("p", _native_dropout),
    "scaled_dot_product_attention": ("dropout_p", _attention),
    "_scaled_dot_product_flash_attention_for_cpu": ("dropout_p", _cpu_attention),
    **{op: ("dropout", _between_layers(eval_mode.REWRITES[op])) for op in RECURRENT},
}
"""Operators that may drop values: the argument that is its probability, and the form."""

_OTHERS: Mapping[str, Form] = {"embedding": embedding, "rrelu": _rrelu}


def form_of(node: Node) -> Form | None:
    """Return what runs in train mode in place of the node; None where nothing differs.

    >>> from narrows.graph.node import Ref
    >>> dropout = Node("dropout", {"input": Ref("x"), "p": 0.5, "train": False}, ("y",), "")
    >>> form_of(dropout)(input=torch.zeros(3), p=0.5, train=False)
    tensor([0., 0., 0.])
    """
    if node.op in STATISTICS:
        return STATISTICS[node.op] if node.inputs.get("running_mean") is not None else None
    if node.op in _DROPOUTS:
        return _DROPOUTS[node.op][1] if dropped_share(node) else None
    return _OTHERS.get(node.op)


def described(node: Node) -> str | None:
    """Return what the node does in train mode alone, in words; None if only a gradient differs."""
    if node.op in STATISTICS:
        return "normalizes by the batch, and updates its running statistics"
    if node.op == "rrelu":
        return "draws its slopes at random"
    return f"drops values with probability {share:g}" if (share := dropped_share(node)) else None


def dropped_share(node: Node) -> float:
    """Return the probability with which the node drops a value in train mode, else 0."""
    name, _ = _DROPOUTS.get(node.op, ("", None))
    share = node.inputs.get(name)
    if node.op in RECURRENT and node.inputs.get("num_layers") == 1:
        return 0.0  # it drops between layers
    return float(share) if isinstance(share, int | float) else 0.0
