"""`narrows inspect`: shows the layers and the channel groups of a network."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from narrows.client.types import Model

BEFORE_LAYERS = 18
"""The characters of a row before the layers' names."""


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
    from service.cli.following import connected
    from service.cli.printing import print_json
    from service.cli.progress import Steps
    from service.cli.uploading import ready_model, source

    model_source = source(model, "mdl")
    steps = Steps()
    with connected(steps) as client:
        inspected = ready_model(steps, client, model_source)
    if as_json:
        print_json(inspected)
    else:
        _print(inspected)


def _print(model: "Model") -> None:
    from rich.console import Console
    from rich.markup import escape

    from narrows.report.texts import short
    from service.cli.tables import make_table, print_table, print_text, wrapped

    inspection = model.inspection or {}
    console = Console(highlight=False)
    costs = f"{short(inspection['parameters'])} parameters, {short(inspection['macs'])} MACs"
    console.print(f"{model.name} is {model.id}: {costs}.", markup=False, soft_wrap=True)
    table = make_table("group", "channels", "layers that share them")
    for column in table.columns[:2]:
        column.justify = "right"
    for group in inspection["groups"]:
        layers = wrapped(", ".join(group["layers"]), console.width - BEFORE_LAYERS)
        table.add_row(str(group["group"]), str(group["width"]), escape(layers))
    print_table(console, table)
    for layer in inspection["layers"]:
        if layer["reason"]:
            print_text(console, f"{layer['name']} ({layer['width']}): {layer['reason']}", "dim")
