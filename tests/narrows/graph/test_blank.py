"""What a node computes on tensors without data: the shapes, and the refusals, of a real run."""

from typing import Any

import pytest
import torch

from narrows.graph.blank import run_blank
from narrows.graph.network import run_node
from narrows.graph.node import Node

NODE = Node("batch_norm", {}, ("y",), "")


def norm(*shape: int, **changed: Any) -> dict[str, Any]:
    """Return the arguments of a batch norm of an input of this shape."""
    vectors = ("weight", "bias", "running_mean", "running_var")
    of_channels = {name: torch.ones(3, device="meta") for name in vectors}
    return {"input": torch.empty(shape, device="meta"), **of_channels, "eps": 1e-5, **changed}


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (2, 3, 5, 4)])
@pytest.mark.parametrize("changed", [{}, {"weight": None, "bias": None}])
def test_a_batch_norm_keeps_the_shape(shape: tuple[int, ...], changed: dict[str, Any]) -> None:
    arguments = norm(*shape, **changed)
    ours, theirs = (run(0, NODE, arguments) for run in (run_blank, run_node))
    assert (ours.shape, ours.dtype, ours.device) == (theirs.shape, theirs.dtype, theirs.device)


@pytest.mark.parametrize("name", ["weight", "bias", "running_mean", "running_var"])
def test_vectors_of_another_size_are_refused(name: str) -> None:
    wrong = torch.ones(4, device="meta")
    with pytest.raises(ValueError, match=rf"{name} has the shape \[4\], not that of 3 channels"):
        run_blank(0, NODE, norm(2, 3, 5, **{name: wrong}))


def test_without_statistics_torch_is_asked() -> None:
    assert run_blank(0, NODE, norm(2, 3, running_mean=None, running_var=None)).shape == (2, 3)
