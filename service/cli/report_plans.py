"""Prints plans: what each changes and costs, what its network can do, and its edits."""

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from narrows.client.types import Plan
from narrows.report.texts import change, quality, short
from narrows.vocabulary import ADVISE
from service.cli.options import ALL
from service.cli.tables import make_table, print_table, print_text


def print_plans(
    console: Console,
    identity: str,
    plans: Sequence[Plan],
    edits_of: Collection[str],
    advice: str | None = None,
) -> None:
    """Print a line for each plan of the analysis, its remarks, and the edits of `edits_of`.

    `advice` is what the plan `advise` rests on.
    """
    if plans:
        print_table(console, _plans(plans))
    for plan in plans:
        _print_remarks(console, plan)
    if advice:
        print_text(console, f"Plan '{ADVISE}': {advice}")
    for plan in plans:
        if plan.name in edits_of or ALL in edits_of:
            _print_edits(console, plan)
    hidden = any(plan.layers and plan.name not in edits_of for plan in plans)
    if hidden and ALL not in edits_of:
        console.print(f"All edits: narrows show {identity} --plan all", soft_wrap=True)


def _plans(plans: Sequence[Plan]) -> Table:
    table = make_table("plan")
    for heading in ("layers", "parameters", "", "MACs", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for plan in plans:
        costs = (*_cost(plan.parameters), *_cost(plan.macs))
        table.add_row(escape(plan.name), str(len(plan.layers)), *costs)
    return table


def _cost(cost: list[int]) -> tuple[str, str]:
    before, after = cost
    return f"{short(before)} → {short(after)}", change(before, after)


def _print_remarks(console: Console, plan: Plan) -> None:
    """Print what the built network can do, or why there is none, and what edits can't reach."""
    name = f"Plan '{plan.name}'"
    if error := plan.error:
        print_text(console, f"{name} could not be built: {error}", "red")
    if evaluation := plan.evaluation:
        before, after = (quality(of.to_dict()) for of in (evaluation.before, evaluation.after))
        remark = evaluation.remark or ""
        if after not in remark:
            print_text(console, f"{name}, as built: {after}; before: {before}.")
        if remark:
            print_text(console, f"{name}: {remark}", "bold red")
    for missing in plan.incomplete or ():
        text = f"{name}: edits can't reach {missing.module}: {missing.reason}"
        print_text(console, text, "yellow")


def _print_edits(console: Console, plan: Plan) -> None:
    if not plan.layers:
        why = ": no layer was named a bottleneck" if plan.name == "double" else ""
        print_text(console, f"Plan '{plan.name}' changes nothing{why}.")
        return
    table = make_table(f"edit of plan '{escape(plan.name)}'", "from", "to")
    for layer in plan.layers:
        for edit in layer.edits:
            name = escape(f"{edit.module}.{edit.attribute}")
            table.add_row(name, str(edit.from_), f"→ {edit.to}")
    print_table(console, table)
