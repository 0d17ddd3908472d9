"""Prints a result as tables: the layers, the plans and the built networks."""

from collections.abc import Collection, Sequence
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from narrows.client.types import Layer
from narrows.report.texts import of_layer_alone, size
from service.cli.naming import print_naming
from service.cli.report_plans import print_plans
from service.cli.report_summary import (
    print_gains,
    print_removals,
    print_summary,
    summary_of,
)
from service.cli.run_analysis import Result
from service.cli.tables import broken_name, fits, make_table, print_table, print_text, width_of

COLOURS = {
    "bottleneck": "bold red", "suspected": "yellow", "redundant": "cyan", "undecided": "dim",
}  # fmt: skip
BAR = 6
SHORTEST_NAME = 8


def print_result(result: Result, edits_of: Collection[str] = ("double",)) -> None:
    """Print a result on standard output, with the edits of the plans `edits_of`, or of `all`."""
    console = Console(highlight=False)
    print_naming(console, result.analysis)
    print_summary(console, result.analysis)
    _print_layers(console, [layer for layer in result.layers if layer.group is not None])
    withheld = summary_of(result.analysis).doubt
    for layer in result.layers:
        if layer.group is None:
            text = f"{layer.name} ({layer.width}): {layer.reason or 'not prunable'}"
            print_text(console, text, "dim")
        elif layer.verdict == "suspected" or (_is_undecided(layer) and not withheld):
            print_text(console, _reason(layer), COLOURS[layer.verdict])
    print_gains(console, result.analysis, result.layers)
    print_removals(console, result.analysis)
    advice = summary_of(result.analysis).advice
    print_plans(console, result.analysis.id, result.plans, edits_of, advice)
    for artifact, path in result.built or ():
        print_text(console, f"Built {path} ({size(artifact.size)})")


def _is_undecided(layer: Layer) -> bool:
    return str(layer.verdict) == "undecided"


def _reason(layer: Layer) -> str:
    """Return why a layer has no certain verdict, and how many samples would settle it."""
    reason = layer.because or layer.reason or "the server does not say why"
    reason = of_layer_alone(reason).rstrip(".")
    text = f"{layer.name} is {layer.verdict}: {reason}."
    if layer.samples_needed:
        text += f" About {layer.samples_needed:,} samples would settle it."
    return text


def _print_layers(console: Console, layers: Sequence[Layer]) -> None:
    """Print the table of layers; on a narrow terminal without bars, and last with broken names."""
    table = _layers(layers)
    if width_of(table) > console.width:  # also in a pipe, where names are never broken
        table = _layers(layers, bars=False)
    longest = max((len(layer.name) for layer in layers), default=0)
    while not fits(console, table) and longest > SHORTEST_NAME:
        longest -= 1
        table = _layers(layers, bars=False, name_width=longest)
    print_table(console, table)


def _layers(layers: Sequence[Layer], *, bars: bool = True, name_width: int | None = None) -> Table:
    table = make_table("layer")
    for heading in ("width", "pruned", "worth", "promise", "95 %", "widen"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for layer in layers:
        name = layer.name
        table.add_row(
            escape(name if name_width is None else broken_name(name, name_width)),
            f"{layer.width}",
            _share(layer.pruning_ratio, bars=bars),
            _times(layer, "worth_ratio"),
            _times(layer, "promise"),
            _interval(layer.promise_interval),
            f"{layer.widen_rank or ''}",
            layer.verdict,
            style=COLOURS.get(layer.verdict, ""),
        )
    return table


def _share(share: float | None, *, bars: bool) -> str:
    if share is None:
        return ""
    full = round(share * BAR)
    bar = f"{'█' * full}{'░' * (BAR - full)} " if bars else ""
    return f"{bar}{share:4.0%}"


def _interval(limits: list[float] | None) -> str:
    return "–".join(_ratio(end) for end in limits or ())


def _times(layer: Layer, name: Literal["worth_ratio", "promise"]) -> str:
    """Return how many times as much as elsewhere it is, as far as it is known."""
    ratio = getattr(layer, name)
    return "" if ratio is None or _is_undecided(layer) else f"{_ratio(ratio)}×"


def _ratio(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"
