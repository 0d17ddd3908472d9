"""`narrows inspect`: shows the layers and the channel groups of a network."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from narrows.client.types import Upload


def inspect(
    model: Annotated[str, typer.Argument(help="A `.pt2` file, or the id of an uploaded model.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the model in JSON, as the API returns it.")
    ] = False,
) -> None:
    """Show a network's channel groups, and which layers can't be pruned and why.

    Example: narrows inspect net.pt2

    Layers of one group share their channels, for instance because their outputs are added. If the
    width of one of them changes, the widths of all change.
    """
    from narrows.client import Client
    from service.cli.progress import Steps
    from service.cli.uploading import ready_model, source

    model_source = source(model, "mdl")
    with Client() as client:
        inspected = ready_model(Steps(), client, model_source)
    if as_json:
        typer.echo(json.dumps(inspected, indent=2))
    else:
        _print(inspected)


def _print(model: "Upload") -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from service.cli.report import short

    inspection = model["inspection"] or {}
    console = Console(highlight=False)
    costs = f"{short(inspection['parameters'])} parameters, {short(inspection['macs'])} MACs"
    console.print(f"{model['name']} is {model['id']}: {costs}.", markup=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("group", justify="right")
    table.add_column("channels", justify="right")
    table.add_column("layers that share them", overflow="fold")
    for group in inspection["groups"]:
        layers = escape(", ".join(group["layers"]))
        table.add_row(str(group["group"]), str(group["width"]), layers)
    console.print(table)
    for layer in inspection["layers"]:
        if layer["reason"]:
            text = f"{layer['name']} ({layer['width']}): {layer['reason']}"
            console.print(text, style="dim", markup=False)
