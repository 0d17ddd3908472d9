"""`narrows export`: exports a network from its Python code to an archive for the service."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # `narrows --help` must not load torch
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from narrows.export_target import ExportRequest
    from narrows.graph.network import Network

TOLERANCE = 1e-3
"""How far outputs may be from the module's, relative to the module's largest output."""


Dtype = StrEnum("Dtype", ["float32", "float64", "float16", "bfloat16", "int64", "int32"])


def export(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME",
            help="A module instance, or a class or function without arguments that returns one.",
        ),
    ],
    shapes: Annotated[
        list[str],
        typer.Option(
            "--input",
            metavar="[NAME=]SHAPE",
            help="The shape of an input, batch first, and its name where the network takes its "
            "inputs by name; may be repeated.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write.", dir_okay=False)
    ],
    dtypes: Annotated[
        list[Dtype],
        typer.Option("--dtype", help="The type of the inputs: one for all, or one for each."),
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

    By name: --input input_ids=2x16 --input attention_mask=2x16 --dtype int64

    The file is read back as the service reads it, and the outputs of both networks are compared.
    """
    names, sizes = _parse_inputs(shapes)
    if len(dtypes) not in (1, len(sizes)):
        raise typer.BadParameter(
            "Give one type for all inputs, or one for each --input.", param_hint="--dtype"
        )
    if not output.parent.is_dir():
        raise typer.BadParameter(
            f"There is no folder {output.parent}; create it first.", param_hint="--output"
        )
    if not all(target.partition(":")):
        raise typer.BadParameter(f"{target!r} does not have the form package.module:name.")
    import torch

    from narrows.export_module import ExportError
    from narrows.export_target import ExportRequest

    with TemporaryDirectory(dir=output.parent, prefix=".narrows-export-") as folder:
        request = ExportRequest(
            target,
            names,
            sizes,
            [str(dtype) for dtype in (dtypes if len(dtypes) > 1 else dtypes * len(sizes))],
            None if weights is None else str(weights.absolute()),
            not static,
            str(Path(folder, "model.pt2").absolute()),
            str(Path(folder, "samples.pt").absolute()),
        )
        try:
            _export_in_child(request)
            samples = torch.load(request.samples, weights_only=True)
            _check_archive(Path(request.archive), **samples)
        except ExportError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        Path(request.archive).replace(output)
    _describe(output)


def export_module(
    module: "nn.Module",
    example_inputs: "tuple[Tensor, ...] | Mapping[str, Tensor]",
    path: Path,
    *,
    dynamic_batch: bool = True,
) -> "Network":
    """Write `module`, in eval mode, to `path`; return the network as the service reads it.

    Like `narrows.export_module`, but also raises ExportError if Narrows refuses the archive or if
    its outputs differ from those of `module`. After an error, no file is written.
    """
    from narrows.export_module import export_module, positional
    from narrows.export_target import grown
    from narrows.graph.exported_outputs import outputs_of

    draft = path.with_name(f".{path.name}.draft.pt2")
    try:
        export_module(module, example_inputs, draft, dynamic_batch=dynamic_batch)
        inputs, names = positional(example_inputs)
        inputs = grown(inputs) if dynamic_batch else inputs
        network = _check_archive(draft, inputs, names, outputs_of(module, inputs, names))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return network


def _parse_inputs(texts: list[str]) -> tuple[list[str], list[list[int]]]:
    """Return the names of all inputs, or none, and their shapes."""
    pairs = [text.rpartition("=") for text in texts]
    names = [name for name, equals, _ in pairs if equals]
    if not all(map(str.isidentifier, names)) or len(set(names)) not in (0, len(pairs)):
        raise typer.BadParameter(
            "Give each input the name of its own argument, or none of them a name.",
            param_hint="--input",
        )
    return names, [_parse_shape(shape) for *_, shape in pairs]


def _parse_shape(text: str) -> list[int]:
    sizes = text.lower().split("x")
    if not all(size.isdecimal() and int(size) for size in sizes):
        raise typer.BadParameter(
            f"{text!r} is not a shape of positive integers, such as 1x3x224x224."
        )
    return list(map(int, sizes))


def _export_in_child(request: "ExportRequest") -> None:
    """Export in a process that imports the user's modules before ours; raise ExportError."""
    from narrows.export_module import ExportError

    command = [sys.executable, "-P", "-m", "narrows.export_target", json.dumps(asdict(request))]
    done = subprocess.run(command, env=os.environ, check=False)  # noqa: S603
    if done.returncode == 1 and Path(request.samples).exists():
        raise ExportError(Path(request.samples).read_text())
    if done.returncode != 0:
        raise ExportError(f"The process that exports ended with status {done.returncode}.")


def _check_archive(
    archive: Path, inputs: "tuple[Tensor, ...]", names: list[str], outputs: "Sequence[Tensor]"
) -> "Network":
    """Return the network in the archive; raise ExportError unless it computes these outputs.

    `names` are those of the inputs, where they have some.
    """
    import torch

    from narrows.export_module import ExportError
    from narrows.inputs import arrange
    from worker.errors import RefusedError
    from worker.formats import pt2

    try:
        network = pt2.read(archive)
    except RefusedError as refused:
        raise ExportError(f"The export worked, but Narrows can't read it. {refused}") from refused
    if names:
        own = [spec.name for spec in network.inputs]
        inputs = arrange(own, dict(zip(names, inputs, strict=True)))
    with torch.no_grad():
        actual = network(*inputs)
    for ours, theirs in zip(actual, outputs, strict=True):
        allowed = TOLERANCE * theirs.abs().max()
        if not ((ours - theirs).abs() <= allowed).all():
            raise ExportError(
                "The exported network gives other outputs than the module. Does it draw random "
                "numbers, or keep state from call to call?"
            )
    return network


def _describe(path: Path) -> None:
    from worker.errors import RefusedError
    from worker.pipeline.steps import inspect_model

    try:
        inspection = inspect_model(str(path))
    except RefusedError as refused:
        typer.echo(f"Wrote {path}, but it can't be analysed. {refused}", err=True)
        raise typer.Exit(1) from None
    layers = inspection["layers"]
    fixed = sum(layer["reason"] is not None for layer in layers)
    typer.echo(
        f"Wrote {path} ({path.stat().st_size:,} bytes): {len(layers)} layers, of which "
        f"{len(layers) - fixed} can be pruned; {inspection['parameters']:,} parameters, "
        f"{inspection['macs']:,} multiply-accumulates a sample."
    )
    for spec in inspection["inputs"]:
        sizes = ["batch" if isinstance(size, str) else str(size) for size in spec["shape"]]
        typer.echo(f"  input {spec['name']}: {spec['dtype']} [{', '.join(sizes)}]")
    for shape in inspection["outputs"]:
        typer.echo(f"  output: {shape} a sample")
