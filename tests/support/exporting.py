"""Networks as Narrows gets them: exported, saved, and read from the file."""

import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn

from narrows.graph.from_export import as_network
from narrows.graph.network import Network
from tests.support import architectures
from tests.support.architectures import example_inputs
from tests.support.made_once import made_once
from worker.formats import pt2


class Exported(NamedTuple):
    """A module, a batch of what it takes, and the network read from its export."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    network: Network


def exported(
    architecture: type[nn.Module],
    *,
    dtype: torch.dtype = torch.float64,
    dynamic: bool = True,
    training: bool = False,
    decomposed: bool = False,
) -> Exported:
    """Make a network of this kind, always with the same numbers, and read its export.

    torch.export takes a second for a small network, and many times that for a recurrent one, so
    each kind is exported once in each way: the archive depends on torch and `tests.support` alone,
    not on Narrows. `training` says in which mode the module is exported; it is in eval mode when it
    comes. See `read_back` for `dynamic` and `decomposed`.
    """
    assert architecture.__module__ == architectures.__name__
    torch.manual_seed(0)
    module = randomized(architecture()).to(dtype)
    inputs = tuple(x.to(dtype) if x.is_floating_point() else x for x in example_inputs(module))

    def export(path: Path) -> None:
        _export(module.train(training), inputs, path, dynamic=dynamic, decomposed=decomposed)
        module.eval()

    ways = {"dynamic": dynamic, "training": training, "decomposed": decomposed}
    words = [
        architecture.__name__,
        str(dtype)[6:],
        *(way for way, chosen in ways.items() if chosen),
    ]
    archive = made_once(f"{'_'.join(words)}.pt2", export, [architectures, sys.modules[__name__]])
    network = _read(archive).map_tensors(torch.clone)  # so that no test can change another's
    return Exported(module, inputs, network)


_read = cache(pt2.read)


def read_back(
    module: nn.Module, *inputs: Tensor, dynamic: bool = True, decomposed: bool = False
) -> Network:
    """Export a module, with the first dimension of every input free, and read the archive.

    `decomposed` writes it in core ATen, the smaller set of operators.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        _export(module, inputs, path, dynamic=dynamic, decomposed=decomposed)
        return pt2.read(path)


def _export(
    module: nn.Module, inputs: tuple[Tensor, ...], path: Path, *, dynamic: bool, decomposed: bool
) -> None:
    batch = torch.export.Dim("batch", min=2, max=4096)
    names = inspect.signature(module.forward).parameters
    shapes = {name: {0: batch} for name in names} if dynamic else None
    program = torch.export.export(module, inputs, dynamic_shapes=shapes)
    torch.export.save(program.run_decompositions() if decomposed else program, path)


@cache
def shared_module(architecture: type[nn.Module]) -> nn.Module:
    """Return the module of `exported`, the same one for all tests, which must leave it as it is."""
    return exported(architecture).module


_networks: dict[tuple[nn.Module | torch.export.ExportedProgram, str, str], Network] = {}


@contextmanager
def exporting_once() -> Iterator[None]:
    """Have `analyze` export a module once for all tests of a side, and not anew for each.

    It is for tests of what comes after the export, on a `shared_module` or another that stays as it
    is.
    """

    def network_of(
        model: nn.Module | torch.export.ExportedProgram,
        inputs: tuple[Tensor, ...],
        names: Sequence[str] = (),
    ) -> Network:
        key = model, str([(x.shape[1:], x.dtype) for x in inputs]), str(names)
        if key not in _networks:
            _networks[key] = as_network(model, inputs, names)
        return _networks[key].map_tensors(torch.clone)

    with patch("narrows.calls.as_network", network_of):
        yield


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
