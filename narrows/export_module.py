"""From a module to an archive (`.pt2`) that the service accepts as an upload."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from narrows.graph.exported_outputs import outputs_of
from narrows.graph.from_export import read_program
from narrows.graph.saving import save_program
from narrows.graph.trace_errors import TraceError
from narrows.graph.tracing import trace
from narrows.graph.unsupported import UnsupportedError


class ExportError(Exception):
    """The error for a network that can't be exported; the text has the reason and some advice."""


def export_module(
    module: nn.Module,
    example_inputs: tuple[Tensor, ...] | Mapping[str, Tensor],
    path: Path,
    *,
    dynamic_batch: bool = True,
) -> list[str]:
    """Write `module`, in eval mode, to `path`; return the operators written in simpler ones.

    These are operators that Narrows lacks and torch can decompose. A mapping gives example inputs
    by the names of the module's arguments. With `dynamic_batch` the first dimension of every input
    is free. The module stays in the mode that it is in. Raises ExportError where torch can't export
    the module, and OSError where the file can't be written.
    """
    inputs, names = positional(example_inputs)
    program, decomposed = _trace(module, inputs, names, dynamic_batch), list[str]()
    with contextlib.suppress(UnsupportedError):  # the reader of the file says why
        _, program, decomposed = read_program(program)
    save_program(program, path)
    return decomposed


def positional(
    inputs: tuple[Tensor, ...] | Mapping[str, Tensor],
) -> tuple[tuple[Tensor, ...], list[str]]:
    """Return example inputs and their names; those of a tuple have none.

    >>> positional((torch.zeros(()),)), positional({"mask": torch.zeros(())})
    (((tensor(0.),), []), ((tensor(0.),), ['mask']))
    """
    if isinstance(inputs, Mapping):
        return tuple(inputs.values()), list(inputs)
    return inputs, []


def _trace(
    module: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str], dynamic_batch: bool
) -> ExportedProgram:
    try:
        return trace(module, inputs, names, free_batch=dynamic_batch)
    except TraceError as error:
        advice = ""
        about_outputs = str(error).startswith("the network returns")
        stacked = tuple(torch.stack([x, x]) for x in inputs)
        if not about_outputs and _works(module, stacked, names):
            shape = "x".join(map(str, inputs[0].shape))
            advice = f"\n--input starts with the batch size: 1x{shape}, say, and so for each input."
        elif not about_outputs and dynamic_batch:
            advice = (
                "\nIf the network works for one batch size only, --static keeps that of --input."
            )
        raise ExportError(f"{error}{advice}") from error


def _works(module: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str]) -> bool:
    try:
        outputs_of(module, inputs, names)
    except Exception:  # the user's own code may raise any type
        return False
    return True
