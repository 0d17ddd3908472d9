"""Norms in eval mode, `(x − mean) / √(variance + eps) · weight + bias`, twice differentiable."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

aten: Any = torch.ops.aten


def batch_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    eps: float,
    **_: Any,
) -> Tensor:
    """Normalize [batch, C, …] by the running statistics, or the batch's where there are none.

    >>> three, four = torch.tensor([3.0]), torch.tensor([4.0])
    >>> batch_norm(torch.tensor([[7.0]]), None, None, three, four, eps=0.0)  # (7 − 3) / √4
    tensor([[2.]])
    """
    if running_mean is None or running_var is None:
        return _written_out_batch_norm(input, weight, bias, eps=eps)
    result: Tensor = aten.batch_norm(
        input, weight, bias, running_mean, running_var, False, 0.0, eps, False
    )
    return result


def batch_norm_map(arguments: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Return (scale, shift) of batch norm in eval mode, each of shape [C]: `y = scale x + shift`.

    `scale = weight / √(variance + eps)` and `shift = bias − mean · scale`.

    >>> statistics = {"running_mean": torch.tensor([3.0]), "running_var": torch.tensor([4.0])}
    >>> affine = {"weight": torch.tensor([10.0]), "bias": torch.tensor([1.0])}
    >>> batch_norm_map({**statistics, **affine, "eps": 0.0})  # 10 / 2 and 1 − 3 · 5
    (tensor([5.]), tensor([-14.]))
    """
    mean, variance = arguments["running_mean"], arguments["running_var"]
    weight, bias = arguments.get("weight"), arguments.get("bias")
    scale = torch.rsqrt(variance + arguments["eps"])
    scale = scale if weight is None else scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias


def _written_out_batch_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    eps: float = 1e-5,
    **_: Any,
) -> Tensor:
    """Return what `batch_norm` does, differentiable along every argument.

    Torch's kernel (2.13) is wrong in reverse mode over forward mode where it computes the
    statistics, and has no derivative along statistics that are arguments.
    """
    along = (1, -1, *(1,) * (input.dim() - 2))
    weight, bias, mean, variance = (
        None if vector is None else vector.view(along)
        for vector in (weight, bias, running_mean, running_var)
    )
    over = [0, *range(2, input.dim())]
    return _normalize(input, over, weight, bias, eps, mean, variance)


def native_batch_norm(**arguments: Any) -> tuple[Tensor, None, None]:
    """Return (result of `batch_norm`, None, None): no call uses the statistics in eval mode."""
    return _written_out_batch_norm(**arguments), None, None


def functional_batch_norm(**arguments: Any) -> tuple[Tensor, None, None, Tensor, Tensor]:
    """Return (result, None, None, mean, variance); the running statistics stay as they are."""
    result = _written_out_batch_norm(**arguments)
    return result, None, None, arguments["running_mean"], arguments["running_var"]


def instance_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    eps: float,
    **_: Any,
) -> Tensor:
    """Normalize as `batch_norm` does, by each sample's own statistics where there are none.

    >>> x = torch.tensor([[[1.0, 3.0]]])  # mean 2, variance 1
    >>> instance_norm(x, None, None, None, None, eps=0.0)
    tensor([[[-1.,  1.]]])
    """
    if running_mean is not None and running_var is not None:
        return _written_out_batch_norm(input, weight, bias, running_mean, running_var, eps)
    result: Tensor = aten.group_norm(input, input.shape[1], weight, bias, eps, False)
    return result


def layer_norm(
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    **_: Any,
) -> Tensor:
    """Normalize the last dimensions; written out for the same reason as batch norm.

    >>> layer_norm(torch.tensor([1.0, 3.0]), [2], bias=torch.tensor([0.0, 5.0]), eps=0.0)
    tensor([-1.,  6.])
    """
    return _normalize(input, range(-len(normalized_shape), 0), weight, bias, eps)


def native_layer_norm(**arguments: Any) -> tuple[Tensor, None, None]:
    """Return (result of `layer_norm`, None, None)."""
    return layer_norm(**arguments), None, None


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


def native_group_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    group: int,
    eps: float,
    **_: Any,  # N, C and HxW: those of the input are used
) -> tuple[Tensor, None, None]:
    """Return (torch's group norm of the input, None, None)."""
    return aten.group_norm(input, group, weight, bias, eps, False), None, None
