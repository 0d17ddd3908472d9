"""The product of a layer with its constant weight, and the gradient of its input.

Only a gradient along the weight would need the input, and nothing needs that gradient. So the
input is not kept for the backward pass, as torch's own convolution keeps it.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.forward_mode.dual import Arguments, varying
from narrows.graph import operators
from narrows.graph.layer_ops import is_convolution, is_transposed


@dataclass(frozen=True)
class LayerProduct:
    """A linear layer or a convolution, without its bias, of both halves of a dual number.

    >>> double = LayerProduct("linear", torch.tensor([[2.0]]), {})
    >>> double(torch.tensor([[[3.0]], [[5.0]]])).tolist()
    [[[6.0]], [[10.0]]]
    """

    op: str
    weight: Tensor
    options: Arguments

    def __call__(self, both: Tensor) -> Tensor:
        """Return the product with `both`, [2, batch, …]."""
        if self.op == "linear":
            return F.linear(both, self.weight)
        options = {**self.options, "bias": None} if self.op == "convolution" else self.options
        arguments = {"input": both.flatten(0, 1), "weight": self.weight, **options}
        result: Tensor = operators.run(self.op, arguments)
        return result.view(*both.shape[:2], *result.shape[1:])

    def gradient(self, grad: Tensor, shape: torch.Size) -> Tensor:
        """Return the gradient of the input, of this shape, as a tensor that nothing else holds."""
        if self.op == "linear":
            return grad @ self.weight
        result: Tensor = torch.ops.aten.convolution_backward(
            grad.flatten(0, 1),
            grad.new_empty(shape).flatten(0, 1),  # read for its shape alone
            self.weight,
            None,
            **_convolution_options(self.op, self.options, self.weight.dim() - 2),
            output_mask=[True, False, False],
        )[0]
        return result.view(shape)


def layer_product(op: str, arguments: Arguments) -> LayerProduct | None:
    """Return the product that a call computes; None where it is none, or its weight varies.

    >>> layer_product("relu", {"self": torch.ones(1)}) is None
    True
    """
    if op != "linear" and (not is_convolution(op) or op.endswith(".padding")):
        return None
    if varying(arguments) != {"input"}:
        return None
    if len(arguments["input"].shape) < arguments["weight"].dim():  # one sample, no batch
        return None
    options = {k: v for k, v in arguments.items() if k not in ("input", "weight", "bias")}
    return LayerProduct(op, arguments["weight"], options)


class Product(torch.autograd.Function):
    """`Product.apply(both, product)`: the product with both halves.

    >>> x = torch.tensor([[[[1.0, 2.0, 4.0]]], [[[0.0, 0.0, 0.0]]]], requires_grad=True)
    >>> y = Product.apply(x, LayerProduct("conv1d", torch.tensor([[[1.0, -1.0]]]), {}))
    >>> y[0].tolist(), torch.autograd.grad(y[0].sum(), x)[0][0].tolist()  # 1 − 2 and 2 − 4
    ([[[-1.0, -2.0]]], [[[1.0, 0.0, -1.0]]])
    """

    @staticmethod
    def forward(ctx: Any, both: Tensor, product: LayerProduct) -> Tensor:
        ctx.shape, ctx.product = both.shape, product
        return product(both)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.product.gradient(grad, ctx.shape), None


def _convolution_options(op: str, options: Arguments, rank: int) -> Arguments:
    return {
        "transposed": is_transposed(op, options),
        "output_padding": options.get("output_padding", [0] * rank),
        "stride": options.get("stride", [1] * rank),
        "padding": options.get("padding", [0] * rank),
        "dilation": options.get("dilation", [1] * rank),
        "groups": options.get("groups", 1),
    }
