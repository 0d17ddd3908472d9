"""`narrows compare`: what became of the layers between two analyses."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import AsJson

if TYPE_CHECKING:
    from narrows.client import Analysis, Client
    from narrows.client.types import Layer
    from narrows.comparison import Change

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
    from narrows.comparison import differing
    from service.cli.following import connected
    from service.cli.printing import print_json
    from service.cli.progress import Steps
    from service.cli.uploading import require_id

    identities = require_id(before, "ana"), require_id(after, "ana")
    with connected(Steps()) as client:
        later = client.analyses.retrieve(identities[1])
        require_ended(later)
        layers = [*later.layers]
        changes = changes_between(client, identities[0], later, layers)
        earlier = client.analyses.retrieve(identities[0])
    differences = differing(_asked(earlier), _asked(later), [*_asked(later)])
    if as_json:
        found = [change.to_dict() for change in changes]
        print_json({"before": earlier, "after": later, "changes": found, "differ": differences})
    else:
        _print(changes, differences, all_layers=all_layers)


def changes_between(
    client: "Client", earlier_id: str, later: "Analysis", layers: "list[Layer]"
) -> "list[Change]":
    """Return what became of each layer since an analysis; raise CommandError without a result."""
    from narrows import comparison

    earlier = client.analyses.retrieve(earlier_id)
    require_ended(earlier)
    differences = comparison.differing(earlier.request, later.request)
    rows = [[layer.to_dict() for layer in of] for of in (earlier.layers, layers)]
    return comparison.compare(*rows, same_measure=not differences)


def require_ended(analysis: "Analysis") -> None:
    """Raise CommandError unless an analysis succeeded."""
    from service.cli.errors import CommandError

    if analysis.state != "succeeded":
        text = f"The analysis {analysis.id} is {analysis.state}: it has no result to compare."
        raise CommandError(text)


def _asked(analysis: "Analysis") -> dict[str, Any]:
    """Return what was asked of an analysis that bears on its result."""
    aside = {"model_id", "build", "init", "plans", "advise"}
    return {name: value for name, value in analysis.request.items() if name not in aside}


def _print(changes: "list[Change]", differences: list[str], *, all_layers: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    from service.cli.tables import make_table, print_table, print_text

    console = Console(highlight=False)
    for text in differences:
        print_text(console, f"The analyses differ in {text}.", "yellow")
    shown = [one for one in changes if all_layers or one.change != "same"]
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
    if same := len(changes) - len(shown):
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
