"""A result as tables for people: the layers, and the plan for a wider network."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.cli.run_analysis import Result
from service.client_types import Layer, Plan

COLOURS = {"bottleneck": "bold red", "suspected": "yellow", "redundant": "cyan", "balanced": ""}
BAR = 6


def print_result(result: Result) -> None:
    """Print what was found on standard output; 80 columns suffice."""
    console = Console(highlight=False)
    summary = result["analysis"]["summary"] or {}
    console.print(
        f"{summary['samples']:,} samples, loss {summary['loss']:.4g}; of {summary['structures']:,} "
        f"channels {summary['pruning_ratio']:.0%} are pruned."
    )
    console.print(_layers([layer for layer in result["layers"] if layer["group"] is not None]))
    for layer in result["layers"]:
        if layer["group"] is None:
            text = f"{layer['name']} ({layer['width']}): {layer['reason'] or 'not prunable'}"
            console.print(text, style="dim", markup=False)
    for plan in result["plans"]:
        _print_plan(console, plan)


def _layers(layers: list[Layer]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("layer", overflow="fold")
    table.add_column("op", overflow="fold")
    for heading in ("width", "pruned", "95 %", "score", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for layer in layers:
        table.add_row(
            escape(layer["name"]),
            layer["op"],
            f"{layer['width']}",
            _bar(layer["pruning_ratio"]),
            _interval(layer["interval"]),
            _number(layer["score"]),
            _number(layer["p_value"]),
            layer["verdict"],
            style=COLOURS.get(layer["verdict"], ""),
        )
    return table


def _bar(share: float | None) -> str:
    if share is None:
        return ""
    full = round(share * BAR)
    return f"{'█' * full}{'░' * (BAR - full)} {share:4.0%}"


def _interval(limits: tuple[float, float] | None) -> str:
    return f"{limits[0] * 100:.0f} to {limits[1] * 100:.0f}" if limits else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value >= 0.0005 else "<.001"


def _print_plan(console: Console, plan: Plan) -> None:
    if not plan["layers"]:
        console.print(f"\nPlan '{plan['name']}': nothing to change, no layer is a bottleneck.")
        return
    table = Table("edit", "from", "to", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for layer in plan["layers"]:
        for edit in layer["edits"]:
            name = escape(f"{edit['module']}.{edit['attribute']}")
            table.add_row(name, str(edit["from"]), f"→ {edit['to']}")
    console.print(
        f"\nPlan '{plan['name']}':", _cost("parameters", plan["parameters"]) + ",", end=""
    )
    console.print("", _cost("MACs", plan["macs"]))
    console.print(table)


def _cost(what: str, cost: tuple[int, int]) -> str:
    before, after = cost
    change = f" ({(after - before) / before:+.1%})" if before else ""
    return f"{what} {_short(before)} → {_short(after)}{change}"


def _short(count: float) -> str:
    """Return a count in at most four digits: 1234567 is 1.23 M."""
    for unit in ("", " k", " M", " G"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g} T"
