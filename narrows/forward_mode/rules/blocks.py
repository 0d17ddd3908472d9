"""Work on large tensors block by block, so that what is computed in between stays in the cache.

On a GPU a block is all of a tensor.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

BLOCK = 1 << 16
"""The numbers in a block: with a handful of tensors it fits a core's cache."""


def in_blocks(*tensors: Tensor) -> Iterator[tuple[Any, ...]]:
    """Yield flat parts of tensors of one size, the same of each; the first is contiguous.

    >>> import torch
    >>> for a, b in in_blocks(x := torch.ones(2, 3), y := torch.ones(2, 3)):
    ...     a += b
    >>> x.sum()
    tensor(12.)
    """
    if is_one_block(tensors[0]):
        yield tensors
        return
    yield from _pieces(BLOCK, [tensor.reshape(-1) for tensor in tensors])


def in_blocks_of_rows(*tensors: Tensor) -> Iterator[tuple[Any, ...]]:
    """Yield the same rows of tensors [rows, …], several at once; the first tells how many.

    >>> import torch
    >>> [len(part) for (part,) in in_blocks_of_rows(torch.ones(5, BLOCK // 2))]
    [2, 2, 1]
    """
    first = tensors[0]
    if is_one_block(first):
        yield tensors
        return
    yield from _pieces(max(1, BLOCK * first.shape[0] // first.numel()), tensors)


def is_one_block(tensor: Tensor) -> bool:
    """Tell whether a tensor is so small, or so placed, that all of it is one block.

    >>> import torch
    >>> is_one_block(torch.empty(BLOCK)), is_one_block(torch.empty(BLOCK + 1))
    (True, False)
    """
    return tensor.numel() <= BLOCK or tensor.device.type != "cpu"


def _pieces(size: int, tensors: Sequence[Tensor]) -> Iterator[tuple[Any, ...]]:
    yield from zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)
