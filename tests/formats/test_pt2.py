"""Legitimate exports read, and compute what the module computes in eval mode."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from tests.architectures import ARCHITECTURES, example_inputs
from worker.formats import pt2

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch.export warns


def export(network: nn.Module, inputs: tuple[Tensor, ...], *, dynamic: bool) -> Any:
    """Export with the first dimension of every input free, or all fixed."""
    batch = torch.export.Dim("batch", min=2, max=1024)
    names = list(inspect.signature(network.forward).parameters)
    shapes = {name: {0: batch} for name in names} if dynamic else None
    return torch.export.export(network, inputs, dynamic_shapes=shapes)


def save(program: Any, folder: Path) -> Path:
    path = folder / "model.pt2"
    torch.export.save(program, path)
    return path


def randomized(architecture: type[nn.Module]) -> nn.Module:
    """Return a network in double precision whose batch norms have seen data."""
    torch.manual_seed(0)
    network = architecture().double()
    for name, buffer in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return network


@pytest.mark.parametrize("decomposed", [False, True], ids=["exported", "decomposed"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outputs_are_those_of_eval_mode(
    architecture: type[nn.Module], dynamic: bool, training: bool, decomposed: bool, tmp_path: Path
) -> None:
    network = randomized(architecture)
    inputs = example_inputs(network)
    program = export(network.train(training), inputs, dynamic=dynamic)
    if decomposed:
        program = program.run_decompositions()
    read = pt2.read(save(program, tmp_path))

    inputs = tuple(x[:3] for x in inputs) if dynamic else inputs
    with torch.no_grad():
        expected = pytree.tree_leaves(network.eval()(*inputs))
        actual = read(*inputs)
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
