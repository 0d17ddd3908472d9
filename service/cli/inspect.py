"""`narrows inspect`: what a network consists of, and which of its channels go together."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from narrows.client.types import Upload


def inspect(
    model: Annotated[str, typer.Argument(help="A `.pt2` file, or the id of an uploaded model.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the model as the API gives it, in JSON.")
    ] = False,
) -> None:
    """Show a network's channel groups, and which layers can't be pruned and why.

    Example: narrows inspect net.pt2

    Layers of one group share their channels, for instance because their outputs are added: what
    changes the width of one changes that of all.
    """
    from narrows.client import Client
    from service.cli.progress import Steps
    from service.cli.uploading import ready_model, source

    given = source(model, "mdl")
    with Client() as client:
        found = ready_model(Steps(), client, given)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print(found)


def _print(model: "Upload") -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from service.cli.report import short

    found = model["inspection"] or {}
    console = Console(highlight=False)
    costs = f"{short(found['parameters'])} parameters, {short(found['macs'])} MACs"
    console.print(f"{model['name']} is {model['id']}: {costs}.", markup=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("group", justify="right")
    table.add_column("channels", justify="right")
    table.add_column("layers that share them", overflow="fold")
    for group in found["groups"]:
        layers = escape(", ".join(group["layers"]))
        table.add_row(str(group["group"]), str(group["width"]), layers)
    console.print(table)
    for layer in found["layers"]:
        if layer["reason"]:
            text = f"{layer['name']} ({layer['width']}): {layer['reason']}"
            console.print(text, style="dim", markup=False)
