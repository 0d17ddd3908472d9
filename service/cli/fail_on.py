"""`--fail-on`: the exit status says what was found, and standard error says why."""

import typer

from service.cli.findings.finding import fails, nothing_decided
from service.cli.options import Verdict
from service.cli.run_analysis import Result

FOUND = 3
"""The exit status if a layer has the verdict of `--fail-on`, or a worse one."""

UNDECIDED = 4
"""The exit status if nothing could be decided."""


def exit_if(result: Result, verdict: Verdict | None) -> None:
    """Raise typer.Exit with the status and the reason that `--fail-on` asks for."""
    if verdict is None:
        return
    if reason := nothing_decided(result):
        typer.echo(f"Exit status 4: nothing could be decided: {reason}", err=True)
        raise typer.Exit(UNDECIDED)
    if found := [layer for layer in result["layers"] if fails(layer, verdict)]:
        names = ", ".join(f"{layer['name']} ({layer['verdict']})" for layer in found)
        typer.echo(f"Exit status 3: --fail-on {verdict}, and there is {names}.", err=True)
        raise typer.Exit(FOUND)
