"""Products of matrices that both vary: `(a b)˙ = a ḃ + ȧ b`.

With the gradients g of a b and h of (a b)˙, those of a and ȧ are `g bᵀ + h ḃᵀ` and `h bᵀ`. That is
a product of the same kind, where the halves of gradients are swapped.
"""

from collections.abc import Sequence

from torch import Tensor

Halves = Sequence[Tensor]


def swapped(both: Tensor) -> Halves:
    """Return the second half, and the first."""
    return both.unbind()[::-1]


def multiply(a: Halves, b: Halves, out: Halves, factor: float = 1) -> None:
    """Write `factor` times a b and (a b)˙, of matrices [rows, n, k] and [rows, k, m], into `out`.

    >>> import torch
    >>> a, b, out = torch.tensor([[3.0], [1.0]]), torch.tensor([[5.0], [2.0]]), torch.empty(2, 1)
    >>> multiply(*(x.view(2, 1, 1, 1).unbind() for x in (a, b, out)))  # 3 · 5 and 3 · 2 + 1 · 5
    >>> out.tolist()
    [[15.0], [11.0]]
    """
    value, tangent = out
    value.baddbmm_(a[0], b[0], beta=0, alpha=factor)
    tangent.baddbmm_(a[0], b[1], beta=0, alpha=factor).baddbmm_(a[1], b[0], alpha=factor)
