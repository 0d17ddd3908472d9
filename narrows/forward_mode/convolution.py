"""A convolution without a gradient along its weight: it takes half the memory of torch's own."""

from typing import Any

import torch
from torch import Tensor

from narrows.graph import operators
from narrows.graph.layer_ops import is_transposed

Arguments = dict[str, Any]


class Convolution(torch.autograd.Function):
    """A convolution that, unlike torch's own, keeps no input for its backward pass.

    Only the gradient along the weight would need the input, and nothing needs that gradient.

    `Convolution.apply(x, weight, op, arguments)` takes x [batch, channels, …] and the other
    arguments of the operator `op` by name; the bias is ignored.

    >>> x = torch.tensor([[[1.0, 2.0, 4.0]]], requires_grad=True)
    >>> y = Convolution.apply(x, torch.tensor([[[1.0, -1.0]]]), "conv1d", {})
    >>> y.tolist(), torch.autograd.grad(y.sum(), x)[0].tolist()  # 1 − 2 and 2 − 4
    ([[[-1.0, -2.0]]], [[[1.0, 0.0, -1.0]]])
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, op: str, arguments: Arguments) -> Tensor:
        options = {k: v for k, v in arguments.items() if k not in ("input", "weight", "bias")}
        ctx.save_for_backward(weight)
        ctx.shape, ctx.options = x.shape, _convolution_options(op, options, weight.dim() - 2)
        options = {**options, "bias": None} if op == "convolution" else options
        result: Tensor = operators.run(op, {"input": x, "weight": weight, **options})
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        of_input = torch.ops.aten.convolution_backward(
            grad,
            grad.new_empty(ctx.shape),  # read for its shape alone
            weight,
            None,
            **ctx.options,
            output_mask=[True, False, False],
        )[0]
        return of_input, None, None, None


def _convolution_options(op: str, options: Arguments, rank: int) -> Arguments:
    return {
        "transposed": is_transposed(op, options),
        "output_padding": options.get("output_padding", [0] * rank),
        "stride": options.get("stride", [1] * rank),
        "padding": options.get("padding", [0] * rank),
        "dilation": options.get("dilation", [1] * rank),
        "groups": options.get("groups", 1),
    }
