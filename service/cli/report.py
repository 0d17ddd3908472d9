"""Prints a result as tables: the layers, the plans and the built networks."""

from collections.abc import Collection

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from narrows.client.types import Analysis, Layer, Plan
from service.cli.run_analysis import Result

COLOURS = {"bottleneck": "bold red", "suspected": "yellow", "redundant": "cyan", "balanced": ""}
BAR = 6


def print_result(result: Result, edits_of: Collection[str] = ("double",)) -> None:
    """Print a result on standard output, in 80 columns, with the edits of the plans `edits_of`."""
    console = Console(highlight=False)
    summary = result["analysis"]["summary"]
    assert summary is not None  # noqa: S101 - it succeeded
    console.print(
        f"{summary['samples']:,} samples, loss {summary['loss']:.4g}; of {summary['structures']:,} "
        f"channels {_pruned(result['analysis'])}."
    )
    console.print(_layers([layer for layer in result["layers"] if layer["group"] is not None]))
    for layer in result["layers"]:
        if layer["group"] is None:
            text = f"{layer['name']} ({layer['width']}): {layer['reason'] or 'not prunable'}"
            console.print(text, style="dim", markup=False)
        elif layer["verdict"] == "suspected":
            console.print(_suspicion(layer), style="yellow", markup=False)
    if result["plans"]:
        console.print(_plans(result["plans"]))
    for plan in result["plans"]:
        if plan["name"] in edits_of:
            _print_edits(console, plan)
    for built in result.get("artifacts", ()):
        text = f"Built {built['path']} ({short(built['size'])}B)"
        console.print(text, markup=False, soft_wrap=True)


def _suspicion(layer: Layer) -> str:
    """Return why a layer is only suspected, and how many samples would settle it."""
    text = f"{layer['name']} is suspected: {layer['because']}."
    if layer["samples_needed"]:
        text += f" About {layer['samples_needed']:,} samples would settle it."
    return text


def _pruned(analysis: Analysis) -> str:
    share = f"{analysis['request']['pruning_ratio']:.0%}"
    saved = {"parameters": "parameters", "macs": "MACs"}.get(analysis["request"]["cost"])
    return f"those are pruned that save {share} of the {saved}" if saved else f"{share} are pruned"


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
            "" if layer["score"] is None else f"{layer['score']:.2f}",
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


def _interval(limits: list[float] | None) -> str:
    return f"{limits[0] * 100:.0f}–{limits[1] * 100:.0f}" if limits else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value >= 0.0005 else "<.001"


def _plans(plans: list[Plan]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("plan", overflow="fold")
    for heading in ("layers", "parameters", "", "MACs", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for plan in plans:
        costs = (*_cost(plan["parameters"]), *_cost(plan["macs"]))
        table.add_row(escape(plan["name"]), str(len(plan["layers"])), *costs)
    return table


def _cost(cost: list[int]) -> tuple[str, str]:
    before, after = cost
    change = f"{(after - before) / before:+.1%}" if before else ""
    return f"{short(before)} → {short(after)}", change


def _print_edits(console: Console, plan: Plan) -> None:
    if not plan["layers"]:
        why = ": no layer is a bottleneck" if plan["name"] == "double" else ""
        console.print(f"Plan '{plan['name']}' changes nothing{why}.", markup=False)
        return
    title = f"edit of plan '{escape(plan['name'])}'"
    table = Table(title, "from", "to", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for layer in plan["layers"]:
        for edit in layer["edits"]:
            name = escape(f"{edit['module']}.{edit['attribute']}")
            table.add_row(name, str(edit["from"]), f"→ {edit['to']}")
    console.print(table)


def short(count: float) -> str:
    """Return a count with three significant digits: 1234567 is 1.23 M."""
    for unit in ("", " k", " M", " G"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g} T"
