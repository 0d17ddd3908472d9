"""Softmax and its logarithm.

With y = softmax(x), the Jacobian `J = diag(y) − y yᵀ` is symmetric, and ẏ = J ẋ. With the gradients
a of y and b of ẏ, and c = b − ⟨y, b⟩: `ẋ̄ = y c` and `x̄ = t − y Σt` with t = y a + ẏ c.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual, differentiate
from narrows.forward_mode.rules.registry import rule
from narrows.forward_mode.rules.shapes import shifted

aten: Any = torch.ops.aten


def softmax_(both: Tensor) -> Tensor:
    """Replace value and tangent of x, [2, …, n], by those of its softmax over the last dimension.

    >>> softmax_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))  # ½ and ½ (1 − ½), ½ (0 − ½)
    tensor([[ 0.5000,  0.5000],
            [ 0.2500, -0.2500]])
    """
    value, tangent = both.unbind()
    aten._softmax.out(value, -1, False, out=value)
    tangent.mul_(value)
    tangent.addcmul_(value, tangent.sum(-1, keepdim=True), value=-1)
    return both


def softmax_backward_(y: Tensor, grad: Tensor) -> Tensor:
    """Replace the gradients of y and ẏ, [2, …, n], by those of x and ẋ."""
    (value, tangent), (a, b) = y.unbind(), grad.unbind()
    a.mul_(value).addcmul_(tangent, b)
    b.mul_(value)
    along = b.sum(-1, keepdim=True)
    b.addcmul_(value, along, value=-1)
    a.addcmul_(tangent, along, value=-1)
    a.addcmul_(value, a.sum(-1, keepdim=True), value=-1)
    return grad


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        result = softmax_(both.clone(memory_format=torch.contiguous_format))
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        return softmax_backward_(result, grad.clone(memory_format=torch.contiguous_format))


class _LogSoftmax(torch.autograd.Function):
    """y = x − log Σ eˣ, ẏ = ẋ − ⟨p, ẋ⟩; `x̄ = a − p Σa − p ẏ Σb`, `ẋ̄ = b − p Σb`."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        value = both[0].log_softmax(-1)
        tangent = both[1] - (value.exp() * both[1]).sum(-1, keepdim=True)
        result = torch.stack([value, tangent])
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        ((value, tangent),) = ctx.saved_tensors
        p, (sum_a, sum_b) = value.exp(), grad.sum(-1, keepdim=True)
        result: Tensor = grad - p * torch.stack([sum_a, sum_b])
        result[0].addcmul_(p * tangent, sum_b, value=-1)
        return result


@rule("softmax.int", "_softmax", "log_softmax.int", "_log_softmax")
def _softmax(op: str, arguments: Arguments) -> Any:
    x, dim = arguments["self"], arguments["dim"]
    if not x.shape or arguments.get("dtype") not in (None, x.both.dtype):
        return differentiate(op, arguments)
    run: Callable[..., Tensor] = (_LogSoftmax if "log" in op else _Softmax).apply
    along = shifted(dim)
    # some of torch's losses need the strides that torch's softmax gives
    return Dual(run(x.both.movedim(along, -1)).movedim(-1, along).contiguous())
