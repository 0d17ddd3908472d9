"""Options that commands share, and what they ask of the server."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
    names: list[str] | None,
    factors: list[str] | None,
    *,
    advised: bool = False,
    usual: "Sequence[str | CustomPlan]" = DEFAULT_PLANS,
) -> "list[str | CustomPlan] | None":
    """Return the plans to request; None for the server's default. Raises BadParameter.

    `advised` adds the plan `advise`. Without names, plans are added to the `usual` ones.
    """
    everything = not names or ALL in names
    named: list[str | CustomPlan] = [name for name in names or () if name != ALL]
    if advised and ADVISE not in named:
        named.append(ADVISE)
    if everything and (factors or named):
        named = [*usual, *(name for name in named if name not in usual)]
    if not factors:
        return named or None
    others = (plan for plan in named if (plan if isinstance(plan, str) else plan["name"]) != CUSTOM)
    return [*others, {"name": CUSTOM, "factors": factors_in(factors)}]


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
