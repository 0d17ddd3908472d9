"""`narrows analyze`: files in, a table of layers out."""

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
"""How the plan is called that `--factor` makes."""

FOUND = 3
"""Exit status when `--fail-on` finds what it was told to."""


def analyze(
    model: Annotated[str, typer.Argument(help="A `.pt2` file, or the id of an uploaded model.")],
    dataset: Annotated[
        str, typer.Argument(help="An `.npz` file of x and y, or the id of an uploaded dataset.")
    ],
    pruning_ratio: Annotated[
        float | None, typer.Option(help="Share of all channels that is removed, 0 to 1.")
    ] = None,
    max_samples: Annotated[int | None, typer.Option(help="Use at most so many samples.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples computed at a time.")] = None,
    loss: Annotated[
        str | None,
        typer.Option(help=f"{_one_of(LOSS_NAMES)}; model: the program returns it."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Chooses the samples.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out the layer of this name; may be repeated.")
    ] = None,
    cost: Annotated[
        str | None, typer.Option(help=f"What is saved by pruning: {_one_of(COST_KINDS)}.")
    ] = None,
    plan: Annotated[
        list[str] | None,
        typer.Option(help=f"{_one_of(PLANS)}; may be repeated. Default: all of them."),
    ] = None,
    factor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER=NUMBER", help="Plan 'custom': this layer so much wider; repeatable."
        ),
    ] = None,
    build: Annotated[
        list[str] | None,
        typer.Option(help="Build this plan's network, or 'pruned'; may be repeated."),
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="New channels preserve the function, or are fresh.")
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Where to put what is built.")
    ] = Path(),
    method: Annotated[
        str | None,
        typer.Option(help=f"{_one_of(METHODS)}: what is removed first."),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(help="weights or channel: what removing a channel sets to zero."),
    ] = None,
    curvature: Annotated[
        str | None, typer.Option(help="sampled or exact, for sosp_i and joint.")
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="Steps of removals, for sosp_i and joint.")
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option(help='Preprocessing, in JSON: {"scale": 0.00392, "mean": [0.5]}.'),
    ] = None,
    fail_on: Annotated[
        Literal["bottleneck", "suspected"] | None,
        typer.Option(help="Exit with status 3 when a layer is one, or worse."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
) -> None:
    """Find the bottlenecks of a network: upload, wait, and print what was found.

    Example: narrows analyze net.pt2 data.npz --build double --build pruned --output built

    The server is `NARROWS_URL` (default http://127.0.0.1:8000) and the key `NARROWS_API_KEY`
    (default: that of the embedded server). What is not given is as the server has it. Ctrl-C calls
    the analysis off. Exit status: 0 done, 1 failed, 2 wrong usage, 3 found by --fail-on.
    """
    from service.cli.checks import check_against_model, checked_request, checked_transform
    from service.cli.uploading import source

    model_source, dataset_source = source(model, "mdl"), source(dataset, "dst")
    preprocessing = None if transform is None else checked_transform(transform)
    if preprocessing is not None and isinstance(dataset_source, str):
        raise typer.BadParameter("--transform belongs to an upload, and this dataset is uploaded.")
    given = {
        "pruning_ratio": pruning_ratio, "max_samples": max_samples, "batch_size": batch_size,
        "loss": loss, "seed": seed, "exclude": exclude, "method": method, "gate": gate,
        "curvature": curvature, "blocks": blocks,
        "cost": cost, "plans": _plans(plan, factor), "build": build, "init": init,
    }  # fmt: skip
    options: Any = {name: value for name, value in given.items() if value is not None}
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
            typer.echo(f"\nAll of it: {client.url}/v1/analyses/{result['analysis']['id']}")
    if fail_on and _found(result, fail_on):
        raise typer.Exit(FOUND)


def print_json(result: "Result") -> None:
    """Print the document of `--json`: one, and nothing else."""
    typer.echo(json.dumps(result, indent=2))


def _plans(names: list[str] | None, factors: list[str] | None) -> "list[str | CustomPlan] | None":
    """Return the plans to ask for; None to leave that to the server."""
    if not names and not factors:
        return None
    if not factors:
        return [*names] if names else None
    given = {}
    for text in factors:
        layer, _, factor = text.rpartition("=")
        try:
            given[layer] = float(factor)
        except ValueError:
            layer = ""
        if not layer:
            raise typer.BadParameter(f"--factor is LAYER=NUMBER, and {text!r} is not.")
    others = [name for name in names or PLANS if name != CUSTOM]
    return [*others, {"name": CUSTOM, "factors": given}]


def _prepare(output: Path, build: list[str] | None, sources: list[Path | str]) -> None:
    """Make the folder for what will be built; raise BadParameter if a source would be replaced."""
    if not build:
        return
    output.mkdir(parents=True, exist_ok=True)
    for name in build:
        target = output / f"{name}.pt2"
        if any(isinstance(s, Path) and target.exists() and target.samefile(s) for s in sources):
            raise typer.BadParameter(f"{target} would be replaced; choose another --output.")


def _found(result: "Result", verdict: str) -> bool:
    wanted = {"bottleneck", verdict}
    return any(layer["verdict"] in wanted for layer in result["layers"])
