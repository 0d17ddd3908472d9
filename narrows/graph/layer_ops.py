"""The differences between the operators that are layers: where their channels are."""

from typing import Any

from torch import Tensor

PRODUCTS = frozenset({"linear", "addmm", "mm", "matmul", "bmm"})
"""Matrix products; like an embedding's, their channels are the last dimension of the result."""


def is_convolution(op: str) -> bool:
    """Tell whether an operator is a convolution, also a transposed one.

    >>> is_convolution("conv_transpose2d.input"), is_convolution("linear")
    (True, False)
    """
    return op.startswith("conv")


def is_transposed(op: str, arguments: dict[str, Any]) -> bool:
    """Tell whether a convolution is transposed: its weight is [in, out / groups, …].

    >>> is_transposed("conv2d", {}), is_transposed("convolution", {"transposed": True})
    (False, True)
    """
    return bool(arguments.get("transposed", op.startswith("conv_transpose")))


def weight_argument(op: str) -> str:
    """Return the name of the argument that is a layer's weight.

    >>> weight_argument("linear"), weight_argument("matmul"), weight_argument("addmm")
    ('weight', 'other', 'mat2')
    """
    if op in PRODUCTS and op != "linear":
        return "other" if op == "matmul" else "mat2"
    return "weight"


def channel_axis(op: str) -> int:
    """Return the dimension of a layer's result that has its channels.

    >>> channel_axis("conv2d"), channel_axis("linear")
    (1, -1)
    """
    return -1 if op in PRODUCTS or op == "embedding" else 1


def along_channels(op: str, vector: Tensor, rank: int) -> Tensor:
    """View a vector [channels] so that it broadcasts over a result of `rank` dimensions.

    >>> import torch
    >>> vector = torch.ones(8)
    >>> along_channels("conv2d", vector, 4).shape, along_channels("linear", vector, 3).shape
    (torch.Size([1, 8, 1, 1]), torch.Size([1, 1, 8]))
    """
    shape = [1] * rank
    shape[channel_axis(op)] = len(vector)
    return vector.view(shape)


def scale_channels(op: str, arguments: dict[str, Any], scale: Tensor) -> Tensor:
    """Return a convolution's weight with each output channel scaled; `scale` is [out].

    >>> import torch
    >>> weight = torch.ones(2, 1, 1)  # two channels from one
    >>> scale_channels("conv1d", {"weight": weight}, torch.tensor([3.0, 5.0])).tolist()
    [[[3.0]], [[5.0]]]
    """
    weight: Tensor = arguments["weight"]
    ones = (1,) * (weight.dim() - 2)
    if not is_transposed(op, arguments):
        return weight * scale.view(-1, 1, *ones)
    groups = arguments.get("groups", 1)
    blocks = weight.reshape(groups, -1, *weight.shape[1:]) * scale.view(groups, 1, -1, *ones)
    return blocks.flatten(0, 1)
