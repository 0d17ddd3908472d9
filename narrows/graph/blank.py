"""How a node is computed on tensors without data, to find the shapes of its results."""

from typing import Any

import torch
from torch import Tensor

from narrows.graph.network import run_node
from narrows.graph.node import Node


def run_blank(index: int, node: Node, arguments: dict[str, Any]) -> Any:
    """Compute a node on fake or meta tensors, as `run_node` does.

    A batch norm by fixed statistics is not computed but checked. Torch decomposes it into some
    twenty operators and traces each anew for each new shape: a minute for a thousand of them.

    Raises ValueError for tensors that do not fit, and what `run_node` raises.

    >>> x, vector = torch.empty(2, 3, device="meta"), torch.empty(3, device="meta")
    >>> statistics = {"running_mean": vector, "running_var": vector}
    >>> norm = {"input": x, "weight": vector, "bias": None, **statistics, "eps": 1e-5}
    >>> run_blank(0, Node("batch_norm", {}, ("y",), ""), norm).shape
    torch.Size([2, 3])
    """
    if node.op != "batch_norm" or arguments["input"].dim() < 2:
        return run_node(index, node, arguments)
    if arguments["running_mean"] is None or arguments["running_var"] is None:
        return run_node(index, node, arguments)
    x: Tensor = arguments["input"]
    for name in ("weight", "bias", "running_mean", "running_var"):
        vector = arguments.get(name)
        if vector is not None and vector.shape != x.shape[1:2]:
            raise ValueError(
                f"{name} has the shape {list(vector.shape)}, not that of {x.shape[1]} channels"
            )
    return torch.empty_like(x)
