"""`--fail-on`: the exit status says what was found, and standard error says why."""

import typer

from narrows.client.types import Layer
from service.cli.options import Verdict
from service.cli.report_summary import of_layer_alone, summary_of
from service.cli.run_analysis import Result

FOUND = 3
"""The exit status if a layer has the verdict of `--fail-on`, or a worse one."""

UNDECIDED = 4
"""The exit status if nothing could be decided."""


def exit_if(result: Result, verdict: Verdict | None) -> None:
    """Raise typer.Exit with the status and the reason that `--fail-on` asks for."""
    if verdict is None:
        return
    if reason := _nothing_decided(result):
        typer.echo(f"Exit status 4: nothing could be decided: {reason}", err=True)
        raise typer.Exit(UNDECIDED)
    named = {"bottleneck", verdict}
    if found := [layer for layer in result["layers"] if layer["verdict"] in named]:
        names = ", ".join(f"{layer['name']} ({layer['verdict']})" for layer in found)
        typer.echo(f"Exit status 3: --fail-on {verdict}, and there is {names}.", err=True)
        raise typer.Exit(FOUND)


def _without_numbers(layer: Layer) -> str:
    """Return why a layer is undecided, without its own score, which comes first."""
    reason = str(layer["because"] or layer["reason"] or "no reason given")
    return of_layer_alone(reason.partition("; ")[2] or reason)


def _nothing_decided(result: Result) -> str:
    """Return why no layer has a verdict, if none has."""
    if doubt := summary_of(result["analysis"]).get("doubt"):
        return doubt
    prunable = [layer for layer in result["layers"] if layer["verdict"] != "not_prunable"]
    if not prunable:
        return "no layer can be pruned, so none was judged; `narrows inspect` says why."
    if all(str(layer["verdict"]) == "undecided" for layer in prunable):
        why = {_without_numbers(layer) for layer in prunable}
        return f"every layer is undecided: {'; '.join(sorted(why))}"
    return ""
