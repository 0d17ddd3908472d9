"""Sums, products and quotients, and products of matrices, of values that may vary."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual, differentiate, map_linearly, varying
from narrows.forward_mode.rules import smooth
from narrows.forward_mode.rules.matrices import multiply, swapped
from narrows.forward_mode.rules.registry import for_value, rule
from narrows.forward_mode.rules.shapes import aligned, shifted


def product(a: Dual, b: Dual) -> Dual:
    """Return a·b, which may broadcast: `(a b)˙ = a ḃ + ȧ b`.

    >>> x = Dual.of(torch.tensor([3.0]), torch.tensor([1.0]))
    >>> product(x, x).both  # x² = 9, 2 x = 6
    tensor([[9.],
            [6.]])
    """
    rank = max(a.both.dim(), b.both.dim()) - 1
    multiply: Callable[..., Tensor] = _Product.apply
    return Dual(multiply(aligned(a.both, rank), aligned(b.both, rank)))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        result = a.new_empty(2, *np.broadcast_shapes(a.shape[1:], b.shape[1:]))
        torch.mul(a[0], b[0], out=result[0])
        torch.mul(a[0], b[1], out=result[1]).addcmul_(a[1], b[0])
        ctx.save_for_backward(a, b)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return _gradient_of_factor(grad, b, a.shape), _gradient_of_factor(grad, a, b.shape)


def _gradient_of_factor(grad: Tensor, other: Tensor, shape: torch.Size) -> Tensor:
    """Return the gradient, of this shape, of a factor of a product with `other`."""
    result = grad.new_empty(shape)
    if shape == grad.shape:
        torch.mul(grad[0], other[0], out=result[0]).addcmul_(grad[1], other[1])
        torch.mul(grad[1], other[0], out=result[1])
        return result
    of_value = _sum_of_products(grad[0], other[0], shape[1:])
    result[0] = of_value.add_(_sum_of_products(grad[1], other[1], shape[1:]))
    result[1] = _sum_of_products(grad[1], other[0], shape[1:])
    return result


def _sum_of_products(a: Tensor, b: Tensor, shape: torch.Size) -> Tensor:
    """Return the sum of a·b to this shape; a single pass where it goes over the last dimensions."""
    kept = max((dim + 1 for dim, size in enumerate(shape) if size != 1), default=0)
    if a.shape == b.shape and a.shape[:kept] == shape[:kept] and kept < a.dim():
        dots: Tensor = torch.linalg.vecdot(a.flatten(kept), b.flatten(kept))
        return dots.view(shape)
    return (a * b).sum_to_size(shape)


@rule("add.Tensor", "sub.Tensor")
def _sum(op: str, arguments: Arguments) -> Any:
    a, b = both_operands(arguments["self"], arguments["other"])
    factor = arguments.get("alpha", 1)
    return Dual(torch.add(a, b, alpha=-factor if op == "sub.Tensor" else factor))


@rule("add.Scalar", "sub.Scalar", "rsub.Scalar")
def _sum_with_number(op: str, arguments: Arguments) -> Any:
    x, number, factor = arguments["self"].both, arguments["other"], arguments.get("alpha", 1)
    if op == "rsub.Scalar":
        x, number = x * -factor, number
    else:
        number = factor * (number if op == "add.Scalar" else -number)
    constant = x.new_tensor([number, 0.0]).view(2, *(1,) * (x.dim() - 1))
    return Dual(x + constant)


def both_operands(*operands: Any) -> tuple[Tensor, ...]:
    """Return `both` of each operand, aligned so that they broadcast; constants have no tangent."""
    like = next(x.both for x in operands if isinstance(x, Dual))
    halves = [x.both if isinstance(x, Dual) else for_value(_tensor(x, like)) for x in operands]
    rank = max(tensor.dim() for tensor in halves) - 1
    return tuple(aligned(tensor, rank) for tensor in halves)


def _tensor(constant: Any, like: Tensor) -> Tensor:
    """Return a constant as a tensor, of the dtype of `like` unless its own one counts in sums."""
    if isinstance(constant, Tensor) and constant.dim() and constant.is_floating_point():
        return constant
    return torch.as_tensor(constant, dtype=like.dtype, device=like.device)


@rule("mul.Tensor")
def _product(_: str, arguments: Arguments) -> Any:
    a, b = arguments["self"], arguments["other"]
    if isinstance(a, Dual) and isinstance(b, Dual):
        return product(a, b)
    dual, factor = (a, b) if isinstance(a, Dual) else (b, a)
    return scaled(dual, factor)


def scaled(x: Dual, factor: Any) -> Dual:
    """Return x times a constant, a number or a tensor that broadcasts."""
    rank = factor.dim() if isinstance(factor, Tensor) else 0
    return Dual(aligned(x.both, rank) * factor)


@rule("div.Tensor")
def _quotient(_: str, arguments: Arguments) -> Any:
    a, b = arguments["self"], arguments["other"]
    if not isinstance(b, Dual):
        rank = b.dim() if isinstance(b, Tensor) else 0
        return Dual(aligned(a.both, rank) / b)
    inverse = smooth.apply(smooth.FUNCTIONS["reciprocal"], b)
    return product(a, inverse) if isinstance(a, Dual) else scaled(inverse, a)


@rule("masked_fill.Scalar")
def _fill(_: str, arguments: Arguments) -> Any:
    x, mask = arguments["self"], arguments["mask"]
    filled = x.value.masked_fill(mask, arguments["value"])
    return Dual.of(filled, x.tangent.masked_fill(mask, 0))


@rule("where.self")
def _choose(_: str, arguments: Arguments) -> Any:
    condition = arguments["condition"]
    a, b = both_operands(arguments["self"], arguments["other"])
    rank = max(a.dim() - 1, condition.dim())
    return Dual(torch.where(condition, aligned(a, rank), aligned(b, rank)))


@rule("glu")
def _gated_linear_unit(_: str, arguments: Arguments) -> Any:
    halves = arguments["self"].both.chunk(2, shifted(arguments.get("dim", -1)))
    return product(Dual(halves[0]), smooth.apply(smooth.FUNCTIONS["sigmoid"], Dual(halves[1])))


# --- matrices -------------------------------------------------------------------------------------


def matrix_product(a: Dual, b: Dual) -> Dual:
    """Return a @ b of values [batch, n, k] and [batch, k, m]: `(a b)˙ = a ḃ + ȧ b`."""
    multiply: Callable[..., Tensor] = _MatrixProduct.apply
    return Dual(multiply(a.both, b.both))


class _MatrixProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        result = a.new_empty(*a.shape[:-1], b.shape[-1])
        multiply(a.unbind(), b.unbind(), result.unbind())
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        of_a, of_b = (x.new_empty(x.shape) for x in (a, b))
        multiply(swapped(grad), b.mT.unbind(), swapped(of_a))
        multiply(a.mT.unbind(), swapped(grad), swapped(of_b))
        return of_a, of_b


@rule("mm", "matmul", "bmm")
def _matmul(op: str, arguments: Arguments) -> Any:
    a, b = arguments.values()
    if isinstance(a, Dual) and isinstance(b, Dual):
        shape = a.shape[:-2]
        if min(len(a.shape), len(b.shape)) < 2 or b.shape[:-2] != shape:
            return differentiate(op, arguments)
        flat = [Dual(x.both.reshape(2, -1, *x.both.shape[-2:])) for x in (a, b)]
        result = matrix_product(*flat).both
        return Dual(result.view(2, *shape, *result.shape[-2:]))
    x = a if isinstance(a, Dual) else b
    constant = b if isinstance(a, Dual) else a
    if len(x.shape) < max(2, constant.dim()):
        return map_linearly(op, arguments)
    return Dual(a.both @ b if isinstance(a, Dual) else a @ b.both)


@rule("addmm")
def _add_matrix_product(op: str, arguments: Arguments) -> Any:
    scaled = any(arguments.get(factor, 1) != 1 for factor in ("alpha", "beta"))
    if scaled or varying(arguments) != {"mat1"}:
        return differentiate(op, arguments)
    result = torch.matmul(arguments["mat1"].both, arguments["mat2"])
    return Dual(result + for_value(arguments["self"].expand_as(result[0])))
