"""Options that commands share, and what they ask of the server."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from narrows.vocabulary import ADVISE, DEFAULT_PLANS

if TYPE_CHECKING:
    from narrows.client.types import CustomPlan

ALL = "all"
"""Stands for the names of all plans."""

CUSTOM = "custom"
"""The name of the plan that `--factor` makes."""

FailOnWord = Literal["bottleneck", "suspected", "regression"]

FailOn = Annotated[
    FailOnWord | None,
    typer.Option(
        help="Exit with status 3 if a layer has this verdict, or a worse one (regression: if it "
        "became a bottleneck since --against), and with 4 if nothing could be decided."
    ),
]

Against = Annotated[
    str | None,
    typer.Option(metavar="ID", help="The earlier analysis that --fail-on regression compares."),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]


def one_of(words: Sequence[str]) -> str:
    """Return words as a choice.

    >>> one_of(["a", "b", "c"])
    'a, b or c'
    """
    return f"{', '.join(words[:-1])} or {words[-1]}"


def requested_plans(
    names: list[str] | None, factors: list[str] | None, *, advised: bool = False
) -> "list[str | CustomPlan] | None":
    """Return the plans to request; None for the server's default. Raises BadParameter.

    `advised` adds the plan `advise`.
    """
    everything = not names or ALL in names
    named = [name for name in names or () if name != ALL and not (factors and name == CUSTOM)]
    if advised and ADVISE not in named:
        named.append(ADVISE)
    if everything and (factors or named):
        named = [*DEFAULT_PLANS, *(name for name in named if name not in DEFAULT_PLANS)]
    if not factors:
        return [*named] or None
    return [*named, {"name": CUSTOM, "factors": factors_in(factors)}]


def with_more(before: Iterable[Any], asked: "list[str | CustomPlan]") -> "list[str | CustomPlan]":
    """Return the plans of an analysis, and those that are asked for beside the usual ones.

    >>> with_more(["double"], ["double", "uniform", "reallocate", "advise"])
    ['double', 'advise']
    """
    more = [plan for plan in asked if plan not in DEFAULT_PLANS]
    own = any(not isinstance(plan, str) for plan in more)
    kept = [plan for plan in before if plan not in more and not (own and _is_custom(plan))]
    return [*kept, *more]


def _is_custom(plan: Any) -> bool:
    return not isinstance(plan, str) and plan["name"] == CUSTOM


def requested_trial_plans(
    names: list[str] | None, factors: list[str] | None, *, advised: bool
) -> "list[str | CustomPlan] | None":
    """Return the plans that a trial tries; None for the server's default. Raises BadParameter."""
    plans: list[str | CustomPlan] = [*(names or ())]
    if advised and ADVISE not in plans:
        plans.append(ADVISE)
    if factors:
        plans.append({"name": CUSTOM, "factors": factors_in(factors)})
    return plans or None


def factors_in(texts: list[str]) -> dict[str, float]:
    """Return the factors of layers in texts such as conv1=1.5; raise BadParameter."""
    factor_of = {}
    for text in texts:
        layer, _, factor = text.rpartition("=")
        try:
            factor_of[layer] = float(factor)
        except ValueError:
            layer = ""
        if not layer:
            raise typer.BadParameter(
                f"{text!r} does not have the form LAYER=NUMBER, such as conv1=1.5.",
                param_hint="--factor",
            )
    return factor_of


def requested_advice(
    budget: str | None, cost: str | None, multiple: int | None, hint: str = "--advise-budget"
) -> dict[str, object] | None:
    """Return the options of the plan `advise` that were given; None without any.

    >>> requested_advice("10%", None, 8)
    {'budget': 0.1, 'multiple': 8}
    """
    share: float | None = None
    if budget is not None:
        try:
            share = float(budget.removesuffix("%")) / (100 if budget.endswith("%") else 1)
        except ValueError:
            raise typer.BadParameter(
                f"{budget!r} is no share, such as 10%.", param_hint=hint
            ) from None
    given = {"budget": share, "cost": cost, "multiple": multiple}
    return {name: value for name, value in given.items() if value is not None} or None


def prepare_output(output: Path, build: list[str] | None, sources: list[Path | str]) -> None:
    """Make the folder for built networks; raise BadParameter if one would overwrite a source."""
    if not build:
        return
    output.mkdir(parents=True, exist_ok=True)
    for name in build:
        target = output / f"{name}.pt2"
        if any(isinstance(s, Path) and target.exists() and target.samefile(s) for s in sources):
            raise typer.BadParameter(
                f"The input file {target} would be replaced; choose another --output."
            )
