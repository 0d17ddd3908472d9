"""`narrows compare`: what became of the layers between two analyses."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import AsJson

if TYPE_CHECKING:
    from narrows.client.types import Change, Comparison

COLOURS = {"new_bottleneck": "bold red", "worse": "yellow", "resolved": "green", "better": "green"}


def compare(
    before: Annotated[str, typer.Argument(help="The id of the earlier analysis: ana_…")],
    after: Annotated[str, typer.Argument(help="The id of the later analysis.")],
    all_layers: Annotated[
        bool, typer.Option("--all", help="Print the layers that are the same, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two analyses of versions of a network, layer by layer, matched by name.

    Example: narrows compare ana_9d5e4f60718293040b3fa1c0 ana_0b3fa1c09d5e4f6071829304

    A layer is worse or better where the 95 % intervals of both analyses do not touch. `narrows show
    ID --fail-on regression --against ID` makes a new bottleneck an exit status.
    """
    from service.cli.following import connected
    from service.cli.printing import print_json
    from service.cli.progress import Steps
    from service.cli.uploading import require_id

    earlier, later = require_id(before, "ana"), require_id(after, "ana")
    with connected(Steps()) as client:
        found = client.analyses.comparison(later, earlier)
    if as_json:
        print_json(found)
    else:
        _print(found, all_layers=all_layers)


def _print(found: "Comparison", *, all_layers: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    from service.cli.tables import make_table, print_table, print_text

    console = Console(highlight=False)
    for text in found.differ:
        print_text(console, f"The analyses differ in {text}.", "yellow")
    shown = [one for one in found.changes if all_layers or one.change != "same"]
    table = make_table("layer", "change", "verdict", "width", "measure", "before", "after")
    for one in shown:
        measured = [_with_interval(one, side) for side in (0, 1)]
        table.add_row(
            escape(one.name),
            one.change.replace("_", " "),
            _arrow(*one.verdicts),
            _arrow(*one.widths),
            one.measure or "",
            *measured,
            style=COLOURS.get(one.change, ""),
        )
    if shown:
        print_table(console, table)
    if same := len(found.changes) - len(shown):
        layers = "1 layer is" if same == 1 else f"{same} layers are"
        print_text(console, f"{layers} the same; --all shows them.", "dim")


def _arrow(before: object, after: object) -> str:
    """Return both, or one if they are equal.

    >>> _arrow(6, 12), _arrow(6, 6), _arrow(None, 6)
    ('6 → 12', '6', '– → 6')
    """
    texts = ["–" if one is None else str(one) for one in (before, after)]
    return texts[0] if texts[0] == texts[1] else " → ".join(texts)


def _with_interval(change: "Change", side: int) -> str:
    if change.values is None or change.intervals is None:
        return ""
    low, high = change.intervals[side]
    return f"{change.values[side]:.2f} ({low:.2f}–{high:.2f})"
