"""From a module to an archive (`.pt2`) that the service accepts as an upload."""

import contextlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from narrows.graph.exported_outputs import outputs_of
from narrows.graph.from_export import read_program
from narrows.graph.saving import save_program
from narrows.graph.tracing import TraceError, trace
from narrows.graph.unsupported import UnsupportedError


class ExportError(Exception):
    """The error for a network that can't be exported; the text has the reason and some advice."""


def export_module(
    module: nn.Module,
    example_inputs: tuple[Tensor, ...],
    path: Path,
    *,
    dynamic_batch: bool = True,
) -> list[str]:
    """Write `module`, in eval mode, to `path`; return the operators written in simpler ones.

    These are operators that Narrows lacks and torch can decompose. With `dynamic_batch` the first
    dimension of every input is free. The module stays in the mode that it is in. Raises ExportError
    where torch can't export the module, and OSError where the file can't be written.
    """
    program, decomposed = _trace(module, example_inputs, dynamic_batch), list[str]()
    with contextlib.suppress(UnsupportedError):  # the reader of the file says why
        _, program, decomposed = read_program(program)
    save_program(program, path)
    return decomposed


def _trace(module: nn.Module, inputs: tuple[Tensor, ...], dynamic_batch: bool) -> ExportedProgram:
    try:
        return trace(module, inputs, free_batch=dynamic_batch)
    except TraceError as error:
        advice = ""
        about_outputs = str(error).startswith("the network returns")
        if not about_outputs and _works(module, tuple(torch.stack([x, x]) for x in inputs)):
            shape = "x".join(map(str, inputs[0].shape))
            advice = f"\n--input starts with the batch size: 1x{shape}, say, and so for each input."
        elif not about_outputs and dynamic_batch:
            advice = (
                "\nIf the network works for one batch size only, --static keeps that of --input."
            )
        raise ExportError(f"{error}{advice}") from error


def _works(module: nn.Module, inputs: tuple[Tensor, ...]) -> bool:
    try:
        outputs_of(module, inputs)
    except Exception:  # the user's own code may raise any type
        return False
    return True
