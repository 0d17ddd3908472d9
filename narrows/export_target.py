"""Exports a network named `package.module:name` in the user's code, in a process of its own.

`narrows export` runs `python -m narrows.export_target REQUEST`. There the user's own modules come
first, even if they have the names of ours (`worker`, `service`); of our packages only this library
is imported.
"""

import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from narrows.export_module import ExportError, export_module
from narrows.graph.exported_outputs import outputs_of
from narrows.graph.from_export import as_decomposed
from narrows.graph.trace_errors import summary


@dataclass(frozen=True)
class ExportRequest:
    """A request to export: `target` is `package.module:name`, `weights` a file of `torch.save`.

    Inputs have the shapes `sizes` and the types `dtypes`, and `names` where the module takes them
    by name. The archive is written to `archive`, and example inputs with the module's outputs for
    them to `samples`.
    """

    target: str
    names: list[str]
    sizes: list[list[int]]
    dtypes: list[str]
    weights: str | None
    dynamic_batch: bool
    archive: str
    samples: str


def export_target(request: ExportRequest) -> None:
    """Write the archive and the samples.

    Raises ExportError where the target is no module, its weights do not fit, or torch can't export
    it.
    """
    module = _load(request.target)
    if request.weights is not None:
        _load_weights(module, Path(request.weights))
    dynamic = request.dynamic_batch
    inputs = tuple(
        _example(sizes, dtype, at_least=2 if dynamic else 1)
        for sizes, dtype in zip(request.sizes, request.dtypes, strict=True)
    )
    names = request.names
    named = dict(zip(names, inputs, strict=True)) if names else inputs
    decomposed = export_module(module, named, Path(request.archive), dynamic_batch=dynamic)
    if decomposed:
        sys.stderr.write(f"Note: {as_decomposed(decomposed)}.\n")
    inputs = grown(inputs) if dynamic else inputs
    samples = {"inputs": inputs, "names": names, "outputs": outputs_of(module, inputs, names)}
    torch.save(samples, request.samples)


def grown(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return a batch of another size: the first sample is appended.

    >>> grown((torch.tensor([[1.0], [2.0]]),))
    (tensor([[1.],
            [2.],
            [1.]]),)
    """
    return tuple(torch.cat([x, x[:1]]) for x in inputs)


def _load(target: str) -> nn.Module:
    name, _, path = target.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module: Any = importlib.import_module(name)
        for attribute in path.split("."):
            module = getattr(module, attribute)
        if not isinstance(module, nn.Module):
            module = module()
    except Exception as error:  # the user's own code may raise any type
        raise ExportError(f"{target} gives no network: {summary(error)}") from error
    if not isinstance(module, nn.Module):
        raise ExportError(f"{target} gives a {type(module).__name__}, not a torch.nn.Module.")
    return module


def _load_weights(module: nn.Module, path: Path) -> None:
    advice = "Save one with torch.save(network.state_dict(), path)."
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler may raise any type
        raise ExportError(
            f"{path} is no plain state_dict, and other pickles can run code. {advice}"
        ) from error
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError) as error:  # other names or shapes; not a dictionary
        raise ExportError(
            f"{path} holds no state_dict of this network. {advice} {summary(error)}"
        ) from error


def _example(sizes: list[int], dtype: str, *, at_least: int) -> Tensor:
    shape = (max(at_least, sizes[0]), *sizes[1:])
    kind: torch.dtype = getattr(torch, dtype)
    if kind.is_floating_point:
        return torch.randn(shape).to(kind)
    return torch.randint(2, shape, dtype=kind)


def main(request: str) -> int:
    """Export as the JSON of an ExportRequest says; return 0, or 1 where it fails.

    Then the reason is in the file that would hold the samples.
    """
    parsed = ExportRequest(**json.loads(request))
    try:
        export_target(parsed)
    except ExportError as error:
        Path(parsed.samples).write_text(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
