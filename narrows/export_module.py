"""From a module to an archive (`.pt2`) that the service accepts as an upload."""

import contextlib
import inspect
import io
import logging
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from narrows.graph.saving import save_program


class ExportError(Exception):
    """The error for a network that can't be exported; the text has the reason and some advice."""


def export_module(
    module: nn.Module,
    example_inputs: tuple[Tensor, ...],
    path: Path,
    *,
    dynamic_batch: bool = True,
) -> None:
    """Write `module`, in eval mode, to `path`.

    With `dynamic_batch` the first dimension of every input is free; then examples need two rows or
    more, since torch treats a size of 1 as fixed. Raises ExportError where torch can't export the
    module, and OSError where the file can't be written.
    """
    save_program(_trace(module.eval(), example_inputs, dynamic_batch), path)


def outputs_of(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the tensors among a module's outputs, from nested collections, too, in order.

    >>> outputs_of(nn.Softplus(beta=2), (torch.zeros(1),))  # log(2) / 2
    [tensor([0.3466])]
    """
    with torch.no_grad():
        return [x for x in pytree.tree_leaves(module(*inputs)) if isinstance(x, Tensor)]


def _trace(module: nn.Module, inputs: tuple[Tensor, ...], dynamic_batch: bool) -> ExportedProgram:
    batch = torch.export.Dim("batch")
    torch_log = logging.getLogger("torch")
    level = torch_log.level
    torch_log.setLevel(logging.CRITICAL)  # it logs and prints the graph, then raises
    try:
        arguments = inspect.signature(module.forward).bind(*inputs).arguments
        free = pytree.tree_map(lambda _: {0: batch}, dict(arguments)) if dynamic_batch else None
        with contextlib.redirect_stderr(io.StringIO()):
            return torch.export.export(module, inputs, dynamic_shapes=free)
    except Exception as error:  # torch, and the module, may raise any type
        advice = "torch.export follows no branches on values, and no code beyond tensors."
        if _works(module, tuple(torch.stack([x, x]) for x in inputs)):
            shape = "x".join(map(str, inputs[0].shape))
            advice = f"--input starts with the batch size: 1x{shape}, say, and so for each input."
        elif dynamic_batch:
            advice += (
                " If the network works for one batch size only, --static keeps that of --input."
            )
        raise ExportError(f"torch.export can't export it: {summary(error)}\n{advice}") from error
    finally:
        torch_log.setLevel(level)


def _works(module: nn.Module, inputs: tuple[Tensor, ...]) -> bool:
    try:
        with torch.no_grad():
            module(*inputs)
    except Exception:  # the user's own code may raise any type
        return False
    return True


def summary(error: Exception) -> str:
    r"""Return the type of an error and the first two lines of its text that are not empty.

    >>> summary(ValueError("shapes do not fit\n\n  [2] and [3]\nmore"))
    'ValueError: shapes do not fit [2] and [3]'
    """
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    text = " ".join(line for line in lines[:2] if "TORCH_LOGS" not in line)
    return f"{type(error).__name__}: {text[:400]}"
