"""Options that commands share, and what they ask of the server."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from narrows.vocabulary import PLANS

if TYPE_CHECKING:
    from narrows.client.types import CustomPlan

ALL = "all"
"""Stands for the names of all plans."""

CUSTOM = "custom"
"""The name of the plan that `--factor` makes."""

Verdict = Literal["bottleneck", "suspected"]

FailOn = Annotated[
    Verdict | None,
    typer.Option(
        help="Exit with status 3 if a layer has this verdict, or a worse one, and with 4 if "
        "nothing could be decided."
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]


def one_of(words: Sequence[str]) -> str:
    """Return words as a choice.

    >>> one_of(["a", "b", "c"])
    'a, b or c'
    """
    return f"{', '.join(words[:-1])} or {words[-1]}"


def requested_plans(
    names: list[str] | None, factors: list[str] | None
) -> "list[str | CustomPlan] | None":
    """Return the plans to request; None for the server's default. Raises BadParameter."""
    named = [name for name in names or () if name not in (ALL, CUSTOM)]
    everything = not names or ALL in names
    if not factors:
        return None if everything else [*(names or ())]
    factor_of = {}
    for text in factors:
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
    return [*(PLANS if everything else named), {"name": CUSTOM, "factors": factor_of}]


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
