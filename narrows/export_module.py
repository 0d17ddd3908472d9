"""From a module to an archive (`.pt2`), which the service takes as an upload."""

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
    """A network that can't be exported; the text says why and what to do, for its author."""


def export_module(
    module: nn.Module,
    example_inputs: tuple[Tensor, ...],
    path: Path,
    *,
    dynamic_batch: bool = True,
) -> None:
    """Write `module`, in eval mode, to `path`.

    With `dynamic_batch` the first dimension of every input is free; examples need two rows or
    more, for torch takes 1 as fixed. Raises ExportError where torch can't export the module, and
    OSError where the file can't be written.
    """
    save_program(_trace(module.eval(), example_inputs, dynamic_batch), path)


def outputs_of(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the tensors that a module returns, however nested, in order."""
    with torch.no_grad():
        return [x for x in pytree.tree_leaves(module(*inputs)) if isinstance(x, Tensor)]


def _trace(module: nn.Module, inputs: tuple[Tensor, ...], dynamic_batch: bool) -> ExportedProgram:
    batch = torch.export.Dim("batch")
    torch_log = logging.getLogger("torch")
    level = torch_log.level
    torch_log.setLevel(logging.CRITICAL)  # it logs and prints the graph, then raises
    try:
        given = inspect.signature(module.forward).bind(*inputs).arguments
        free = pytree.tree_map(lambda _: {0: batch}, dict(given)) if dynamic_batch else None
        with contextlib.redirect_stderr(io.StringIO()):
            return torch.export.export(module, inputs, dynamic_shapes=free)
    except Exception as error:  # torch raises all sorts, and so does the module
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
    except Exception:  # whatever the user's own code raises
        return False
    return True


def summary(error: Exception) -> str:
    """Return what kind of error it is, and the first lines that say something."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    text = " ".join(line for line in lines[:2] if "TORCH_LOGS" not in line)
    return f"{type(error).__name__}: {text[:400]}"
