"""`narrows analyze`: files in, a table of layers out."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from service.cli.run_analysis import Result

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
        str | None, typer.Option(help="cross_entropy, mse, nll or bce_with_logits.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Chooses the samples.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out the layer of this name; may be repeated.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="How saliencies are computed.")] = None,
    gate: Annotated[str | None, typer.Option(help="What removing a channel sets to zero.")] = None,
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

    Example: narrows analyze net.pt2 data.npz --fail-on bottleneck

    The server is `NARROWS_URL` (default http://127.0.0.1:8000) and the key `NARROWS_API_KEY`
    (default: that of the embedded server). What is not given is as the server has it. Ctrl-C calls
    the analysis off. Exit status: 0 done, 1 failed, 2 wrong usage, 3 found by --fail-on.
    """
    model_source, dataset_source = _source(model, "mdl"), _source(dataset, "dst")
    preprocessing = _json_object(transform)
    if preprocessing is not None and isinstance(dataset_source, str):
        raise typer.BadParameter("--transform belongs to an upload, and this dataset is uploaded.")
    given = {
        "pruning_ratio": pruning_ratio, "max_samples": max_samples, "batch_size": batch_size,
        "loss": loss, "seed": seed, "exclude": exclude, "method": method, "gate": gate,
    }  # fmt: skip
    options: Any = {name: value for name, value in given.items() if value is not None}

    from service.cli.report import print_result
    from service.cli.run_analysis import run_analysis
    from service.client import Client

    with Client() as client:
        result = run_analysis(client, model_source, dataset_source, preprocessing, options)
        if as_json:
            print_json(result)
        else:
            print_result(result)
            typer.echo(f"\nAll of it: {client.url}/v1/analyses/{result['analysis']['id']}")
    if fail_on and _found(result, fail_on):
        raise typer.Exit(FOUND)


def print_json(result: "Result") -> None:
    """Print the document of `--json`: one, and nothing else."""
    typer.echo(json.dumps(result, indent=2))


def _source(given: str, prefix: str) -> Path | str:
    """Return the path of a file, or an id as it is; raise BadParameter for neither."""
    path = Path(given)
    if path.is_file():
        return path
    if re.fullmatch(rf"{prefix}_[0-9a-f]{{24}}", given):
        return given
    raise typer.BadParameter(f"There is no file {given}, nor is that an id ({prefix}_…).")


def _json_object(text: str | None) -> Any:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--transform is no JSON: {error}.") from None
    if not isinstance(value, dict):
        raise typer.BadParameter("--transform must be a JSON object.")
    return value


def _found(result: "Result", verdict: str) -> bool:
    wanted = {"bottleneck", verdict}
    return any(layer["verdict"] in wanted for layer in result["layers"])
