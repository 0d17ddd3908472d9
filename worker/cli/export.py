"""`narrows export`: makes of a network in Python code the archive that the service reads."""

import contextlib
import importlib
import inspect
import io
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # `narrows --help` need not wait for torch
    from torch import Tensor, nn

    from narrows.graph.network import Network

TOLERANCE = 1e-3
"""How far outputs may be from the module's, relative to the largest of them."""


Dtype = StrEnum("Dtype", ["float32", "float64", "float16", "bfloat16", "int64", "int32"])


class ExportError(Exception):
    """A network that can't be exported; the text says why and what to do, for its author."""


def export(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME",
            help="A module instance, or a class or function that returns one without arguments.",
        ),
    ],
    shapes: Annotated[
        list[str],
        typer.Option("--input", help="Shape of an input, batch first; repeat it for several."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write.", dir_okay=False)
    ],
    dtypes: Annotated[
        list[Dtype],
        typer.Option("--dtype", help="What the inputs consist of: one for all, or one for each."),
    ] = [Dtype.float32],  # noqa: B006 - typer copies it
    weights: Annotated[
        Path | None,
        typer.Option(help="A state_dict, saved by torch.save.", exists=True, dir_okay=False),
    ] = None,
    static: Annotated[
        bool, typer.Option("--static", help="Keep the batch size of --input fixed.")
    ] = False,
) -> None:
    """Export a network from its Python code to a file for Narrows.

    Example: narrows export torchvision.models:resnet18 --input 1x3x224x224 -o resnet18.pt2

    The file is read back as the service reads it, and its outputs are compared.
    """
    sizes = [_parse_shape(shape) for shape in shapes]
    if len(dtypes) not in (1, len(sizes)):
        raise typer.BadParameter("Give one for all, or one for each --input.", param_hint="--dtype")
    if not output.parent.is_dir():
        raise typer.BadParameter(
            f"There is no folder {output.parent}; make it first.", param_hint="--output"
        )
    try:
        module = _build(target)
        if weights is not None:
            _load_weights(module, weights)
        kinds = dtypes if len(dtypes) > 1 else dtypes * len(sizes)
        inputs = tuple(
            _example(size, kind, dynamic=not static)
            for size, kind in zip(sizes, kinds, strict=True)
        )
        export_module(module, inputs, output, dynamic_batch=not static)
    except ExportError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    _describe(output)


def export_module(
    module: "nn.Module",
    example_inputs: "tuple[Tensor, ...]",
    path: Path,
    *,
    dynamic_batch: bool = True,
) -> "Network":
    """Write `module`, in eval mode, to `path`; return the network as the service reads it.

    With `dynamic_batch` the first dimension of every input is free; examples need two rows or
    more, for torch takes 1 as fixed. Raises ExportError, and then writes nothing, where the export
    fails, Narrows refuses it, or its outputs are not those of `module`.
    """
    from narrows.graph.saving import save_program
    from worker.errors import Refused
    from worker.formats import pt2

    module.eval()
    draft = path.with_name(f".{path.name}.draft.pt2")
    try:
        save_program(_traced(module, example_inputs, dynamic_batch), draft)
        network = pt2.read(draft)
        _compare(module, network, example_inputs)
        draft.replace(path)
    except Refused as refused:
        raise ExportError(f"The export worked, but Narrows can't read it. {refused}") from refused
    finally:
        draft.unlink(missing_ok=True)
    return network


def _parse_shape(text: str) -> tuple[int, ...]:
    sizes = text.lower().split("x")
    if not all(size.isdecimal() and int(size) for size in sizes):
        raise typer.BadParameter(f"{text!r} is no shape such as 1x3x224x224.")
    return tuple(map(int, sizes))


def _build(target: str) -> "nn.Module":
    from torch import nn

    name, _, path = target.partition(":")
    if not name or not path:
        raise typer.BadParameter(f"{target!r} is not of the form package.module:name.")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(name)
        for attribute in path.split("."):
            found = getattr(found, attribute)
        if not isinstance(found, nn.Module):
            found = found()
    except Exception as error:  # whatever the user's own code raises
        raise ExportError(f"{target} gives no network: {_shown(error)}") from error
    if not isinstance(found, nn.Module):
        raise ExportError(f"{target} gives a {type(found).__name__}, not a torch.nn.Module.")
    return found


def _load_weights(module: "nn.Module", path: Path) -> None:
    import torch

    advice = "Save one with torch.save(network.state_dict(), path)."
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # junk breaks the unpickler in many ways
        raise ExportError(
            f"{path} is no plain state_dict, and other pickles can run code. {advice}"
        ) from error
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError) as error:  # of other names or shapes; no dict at all
        raise ExportError(
            f"{path} holds no state_dict of this network. {advice} {_shown(error)}"
        ) from error


def _example(sizes: tuple[int, ...], dtype: str, *, dynamic: bool) -> "Tensor":
    import torch

    if dynamic:
        sizes = (max(2, sizes[0]), *sizes[1:])
    kind: torch.dtype = getattr(torch, dtype)
    if kind.is_floating_point:
        return torch.randn(sizes).to(kind)
    return torch.randint(2, sizes, dtype=kind)


def _traced(module: "nn.Module", inputs: "tuple[Tensor, ...]", dynamic_batch: bool) -> Any:
    import torch
    from torch.utils import _pytree as pytree

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
        raise ExportError(f"torch.export can't export it: {_shown(error)}\n{advice}") from error
    finally:
        torch_log.setLevel(level)


def _works(module: "nn.Module", inputs: "tuple[Tensor, ...]") -> bool:
    import torch

    try:
        with torch.no_grad():
            module(*inputs)
    except Exception:  # whatever the user's own code raises
        return False
    return True


def _compare(module: "nn.Module", network: "Network", inputs: "tuple[Tensor, ...]") -> None:
    """Raise ExportError unless both give the same outputs, for another batch if that may be."""
    import torch
    from torch.utils import _pytree as pytree

    if isinstance(network.inputs[0].shape[0], str):
        inputs = tuple(torch.cat([x, x[:1]]) for x in inputs)
    with torch.no_grad():
        expected = [x for x in pytree.tree_leaves(module(*inputs)) if isinstance(x, torch.Tensor)]
        actual = network(*inputs)
    for ours, theirs in zip(actual, expected, strict=True):
        allowed = TOLERANCE * theirs.abs().max()
        if not ((ours - theirs).abs() <= allowed).all():
            raise ExportError(
                "The exported network gives other outputs than the module. Does it draw random "
                "numbers, or keep state from call to call?"
            )


def _shown(error: Exception) -> str:
    """Return what kind of error it is, and the first lines that say something."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    text = " ".join(line for line in lines[:2] if "TORCH_LOGS" not in line)
    return f"{type(error).__name__}: {text[:400]}"


def _describe(path: Path) -> None:
    from worker.errors import Refused
    from worker.pipeline.steps import inspect_model

    try:
        found = inspect_model(str(path))
    except Refused as refused:
        typer.echo(f"Wrote {path}, but it can't be analysed. {refused}", err=True)
        raise typer.Exit(1) from None
    layers = found["layers"]
    fixed = sum(layer["reason"] is not None for layer in layers)
    typer.echo(
        f"Wrote {path} ({path.stat().st_size:,} bytes): {len(layers)} layers, of which "
        f"{len(layers) - fixed} can be pruned; {found['parameters']:,} parameters, "
        f"{found['macs']:,} multiply-accumulates a sample."
    )
    for spec in found["inputs"]:
        sizes = ["batch" if isinstance(size, str) else str(size) for size in spec["shape"]]
        typer.echo(f"  input {spec['name']}: {spec['dtype']} [{', '.join(sizes)}]")
    for shape in found["outputs"]:
        typer.echo(f"  output: {shape} a sample")
