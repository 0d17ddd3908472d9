"""`--fail-on`: the exit status says what was found, and standard error says why."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from narrows.comparison import REGRESSION
from service.cli.options import FailOnWord
from service.cli.undecided import nothing_decided

if TYPE_CHECKING:
    from narrows.client import Client
    from service.cli.run_analysis import Result

FOUND = 3
"""The exit status if a layer has the verdict of `--fail-on`, or a worse one."""

UNDECIDED = 4
"""The exit status if nothing could be decided."""


@dataclass(frozen=True)
class Gate:
    """What `--fail-on` asks for, and the layers that it finds."""

    word: FailOnWord | None = None
    failing: frozenset[str] = frozenset()


def require_against(word: FailOnWord | None, against: str | None) -> None:
    """Raise BadParameter unless `regression` and `--against` come together."""
    if (word == "regression") != (against is not None):
        raise typer.BadParameter("--fail-on regression and --against ID need each other.")


def gate_of(
    client: "Client", result: "Result", word: FailOnWord | None, against: str | None
) -> Gate:
    """Return the layers that have the verdict `word` or a worse one, or became bottlenecks."""
    if word is None:
        return Gate()
    if against is not None:
        found = client.analyses.comparison(result.analysis.id, against)
        return Gate(word, frozenset(one.name for one in found.changes if one.change == REGRESSION))
    names = (one.name for one in result.layers if one.verdict in {"bottleneck", word})
    return Gate(word, frozenset(names))


def exit_if(result: "Result", gate: Gate) -> None:
    """Raise typer.Exit with the status and the reason that the gate asks for."""
    if gate.word is None:
        return
    if reason := nothing_decided(result):
        typer.echo(f"Exit status 4: nothing could be decided: {reason}", err=True)
        raise typer.Exit(UNDECIDED)
    if found := [layer for layer in result.layers if layer.name in gate.failing]:
        names = ", ".join(f"{layer.name} ({layer.verdict})" for layer in found)
        typer.echo(f"Exit status 3: --fail-on {gate.word}, and there is {names}.", err=True)
        raise typer.Exit(FOUND)
