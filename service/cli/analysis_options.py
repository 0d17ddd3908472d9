"""The options that analyses and follow-ups share: what is to be said of what was measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from narrows.vocabulary import ADVISE, BUDGET_KINDS, COST_KINDS, DEFAULT_PLANS, METHODS, RULES
from service.cli.options import CUSTOM, one_of, requested_advice, requested_plans

if TYPE_CHECKING:
    from narrows.client.types import CustomPlan

PruningRatio = Annotated[
    float | None, typer.Option(help="The share of all channels that is removed, 0 to 1.")
]
Cost = Annotated[
    str | None, typer.Option(help=f"What the pruning ratio counts: {one_of(COST_KINDS)}.")
]
AdviseBudget = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="How much the plan 'advise' may add, 10% if not given; adds the plan.",
    ),
]
AdviseCost = Annotated[
    str | None, typer.Option(help=f"What 'advise' adds: {one_of(BUDGET_KINDS)}.")
]
AdviseMultiple = Annotated[
    int | None,
    typer.Option(
        help="'advise' makes widths multiples of this; if not given, of 8 from 64 channels on."
    ),
]
Factor = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LAYER=NUMBER",
        help="Multiply this layer's width, in a plan 'custom'; may be repeated.",
    ),
]
Build = Annotated[
    list[str] | None,
    typer.Option(help="Build the network of this plan, or 'pruned'; may be repeated."),
]
Init = Annotated[
    str | None,
    typer.Option(help="preserve: new channels keep the function; fresh: they are random."),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="DIR", file_okay=False, help="The folder for built networks."
    ),
]
Method = Annotated[str | None, typer.Option(help=f"{one_of(METHODS)}: how channels are ranked.")]
Rule = Annotated[
    str | None,
    typer.Option(
        help=f"{one_of(RULES)}: what verdicts rest on. Default: worth, where the method measures "
        "it."
    ),
]
Blocks = Annotated[
    int | None, typer.Option(help="The number of removal steps, for sosp_i, joint and obs.")
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Print the id of the analysis, and do not wait for it.")
]


class AskedPlans(NamedTuple):
    """The plans to request, the options of `advise`, and the plans whose edits are printed."""

    plans: "list[str | CustomPlan] | None"
    advise: dict[str, object] | None
    edits_of: list[str]


def asked_plans(
    plan: list[str] | None,
    factor: list[str] | None,
    budget: str | None,
    cost: str | None,
    multiple: int | None,
    usual: "Sequence[str | CustomPlan]" = DEFAULT_PLANS,
) -> AskedPlans:
    """Return what the options of plans ask for, beside the `usual` ones; raise BadParameter."""
    advise = requested_advice(budget, cost, multiple)
    plans = requested_plans(plan, factor, advised=advise is not None, usual=usual)
    own = [*([CUSTOM] if factor else ()), *([ADVISE] if advise else ())]
    return AskedPlans(plans, advise, [*(plan or ()), *own] or ["double"])
