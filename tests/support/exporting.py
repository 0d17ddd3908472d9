"""Networks as Narrows gets them: exported, saved, and read from the file."""

import inspect
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from narrows.graph.network import Network
from worker.formats import pt2


def read_back(
    module: nn.Module, *inputs: Tensor, dynamic: bool = True, decomposed: bool = False
) -> Network:
    """Export a module, with the first dimension of every input free, and read the archive.

    `decomposed` writes it in core ATen, the smaller set of operators.
    """
    batch = torch.export.Dim("batch", min=2, max=4096)
    names = inspect.signature(module.forward).parameters
    shapes = {name: {0: batch} for name in names} if dynamic else None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        program = torch.export.export(module, inputs, dynamic_shapes=shapes)
        torch.export.save(program.run_decompositions() if decomposed else program, path)
        return pt2.read(path)


def randomized(module: nn.Module, seed: int = 0) -> nn.Module:
    """Return the module in double precision and eval mode, its batch norms as after training."""
    torch.manual_seed(seed)
    for norm in module.double().eval().modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            if norm.running_mean is not None and norm.running_var is not None:
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2.0)
            if norm.affine:
                nn.init.uniform_(norm.weight, 0.5, 1.5)
                nn.init.normal_(norm.bias)
    return module
