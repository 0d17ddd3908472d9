"""`narrows analyze`: analyses a model file on a dataset file, and prints tables."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from narrows.vocabulary import COST_KINDS, LOSS_NAMES, METHODS, PLANS

if TYPE_CHECKING:
    from narrows.client.types import CustomPlan
    from service.cli.run_analysis import Result


def _one_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


CUSTOM = "custom"
"""The name of the plan that `--factor` makes."""

FOUND = 3
"""The exit status if a layer has the verdict of `--fail-on`."""


def analyze(
    model: Annotated[str, typer.Argument(help="A `.pt2` file, or the id of an uploaded model.")],
    dataset: Annotated[
        str, typer.Argument(help="An `.npz` file of x and y, or the id of an uploaded dataset.")
    ],
    pruning_ratio: Annotated[
        float | None, typer.Option(help="The share of all channels that is removed, 0 to 1.")
    ] = None,
    max_samples: Annotated[
        int | None, typer.Option(help="The largest number of samples to use.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="The number of samples in a batch.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help=f"{_one_of(LOSS_NAMES)}; model: the program returns its loss."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The seed of the random choice of samples.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Keep the width of the layer of this name; may be repeated."),
    ] = None,
    cost: Annotated[
        str | None, typer.Option(help=f"What the pruning ratio counts: {_one_of(COST_KINDS)}.")
    ] = None,
    plan: Annotated[
        list[str] | None,
        typer.Option(help=f"{_one_of(PLANS)}; may be repeated. Default: all of them."),
    ] = None,
    factor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER=NUMBER",
            help="Multiply this layer's width, in a plan 'custom'; may be repeated.",
        ),
    ] = None,
    build: Annotated[
        list[str] | None,
        typer.Option(help="Build the network of this plan, or 'pruned'; may be repeated."),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(help="preserve: new channels keep the function; fresh: they are random."),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="The folder for built networks.")
    ] = Path(),
    method: Annotated[
        str | None,
        typer.Option(help=f"{_one_of(METHODS)}: how channels are ranked."),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(help="weights or channel: what removing a channel sets to zero."),
    ] = None,
    curvature: Annotated[
        str | None, typer.Option(help="sampled or exact, for sosp_i and joint.")
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="The number of removal steps, for sosp_i and joint.")
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option(help='Preprocessing, in JSON: {"scale": 0.00392, "mean": [0.5]}.'),
    ] = None,
    fail_on: Annotated[
        Literal["bottleneck", "suspected"] | None,
        typer.Option(help="Exit with status 3 if a layer has this verdict, or a worse one."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
) -> None:
    """Find the bottlenecks of a network: upload it, wait, and print the results.

    Example: narrows analyze net.pt2 data.npz --build double --build pruned --output built

    The server is `NARROWS_URL` (default http://127.0.0.1:8000), the key `NARROWS_API_KEY` (default:
    the key of the embedded server). Options that you leave out have the server's defaults. Ctrl-C
    cancels the analysis. Exit status: 0 done, 1 failed, 2 wrong usage, 3 see --fail-on.
    """
    from service.cli.checks import check_against_model, checked_request, checked_transform
    from service.cli.uploading import source

    model_source, dataset_source = source(model, "mdl"), source(dataset, "dst")
    preprocessing = None if transform is None else checked_transform(transform)
    if preprocessing is not None and isinstance(dataset_source, str):
        raise typer.BadParameter(
            "--transform belongs to an upload, but this dataset has been uploaded; leave it out."
        )
    values = {
        "pruning_ratio": pruning_ratio, "max_samples": max_samples, "batch_size": batch_size,
        "loss": loss, "seed": seed, "exclude": exclude, "method": method, "gate": gate,
        "curvature": curvature, "blocks": blocks,
        "cost": cost, "plans": _plans(plan, factor), "build": build, "init": init,
    }  # fmt: skip
    options: Any = {name: value for name, value in values.items() if value is not None}
    request = checked_request(options)
    _prepare(output, build, [model_source, dataset_source])

    from narrows.client import Client
    from service.cli.report import print_result
    from service.cli.run_analysis import run_analysis

    with Client() as client:
        result = run_analysis(
            client,
            model_source,
            dataset_source,
            preprocessing,
            options,
            check_model=lambda inspection: check_against_model(request, inspection),
            output=output,
        )
        if as_json:
            print_json(result)
        else:
            print_result(result, [*(plan or ()), *([CUSTOM] if factor else ())] or ["double"])
            typer.echo(f"\nFull result: {client.url}/v1/analyses/{result['analysis']['id']}")
    if fail_on and _has_verdict(result, fail_on):
        raise typer.Exit(FOUND)


def print_json(result: "Result") -> None:
    """Print the result as one JSON document."""
    typer.echo(json.dumps(result, indent=2))


def _plans(names: list[str] | None, factors: list[str] | None) -> "list[str | CustomPlan] | None":
    """Return the plans to request; None for the server's default."""
    if not names and not factors:
        return None
    if not factors:
        return [*names] if names else None
    factor_of = {}
    for text in factors:
        layer, _, factor = text.rpartition("=")
        try:
            factor_of[layer] = float(factor)
        except ValueError:
            layer = ""
        if not layer:
            raise typer.BadParameter(
                f"{text!r} does not have the form LAYER=NUMBER, such as conv1=1.5.",
                param_hint="--factor",
            )
    others = [name for name in names or PLANS if name != CUSTOM]
    return [*others, {"name": CUSTOM, "factors": factor_of}]


def _prepare(output: Path, build: list[str] | None, sources: list[Path | str]) -> None:
    """Make the folder for built networks; raise BadParameter if one would overwrite a source."""
    if not build:
        return
    output.mkdir(parents=True, exist_ok=True)
    for name in build:
        target = output / f"{name}.pt2"
        if any(isinstance(s, Path) and target.exists() and target.samefile(s) for s in sources):
            raise typer.BadParameter(
                f"The input file {target} would be replaced; choose another --output."
            )


def _has_verdict(result: "Result", verdict: str) -> bool:
    """Return whether a layer has this verdict or a worse one."""
    verdicts = {"bottleneck", verdict}
    return any(layer["verdict"] in verdicts for layer in result["layers"])
