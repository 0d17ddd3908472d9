"""`narrows show`: an analysis or a trial again, from any machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.findings.outputs import Github, Junit, Mlflow, Outputs, Sarif, Source
from service.cli.options import ALL, Against, AsJson, FailOn
from service.cli.report_file import ReportFile

if TYPE_CHECKING:
    from narrows.client import Analysis
    from service.cli.run_analysis import Result


def show(
    job: Annotated[str, typer.Argument(help="The id of an analysis or a trial: ana_… or trl_…")],
    follow: Annotated[bool, typer.Option(help="Wait for the end of one that still runs.")] = True,
    plan: Annotated[
        list[str] | None,
        typer.Option(
            help="Print the edits of this plan, or of 'all'; may be repeated. Default: double."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            file_okay=False,
            help="Download the built networks into this folder.",
        ),
    ] = None,
    fail_on: FailOn = None,
    against: Against = None,
    junit: Junit = None,
    sarif: Sarif = None,
    github: Github = False,
    source_file: Source = None,
    mlflow: Mlflow = False,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """Show an analysis or a trial again, from any machine; follow one that still runs.

    Example: narrows show ana_9d5e4f60718293040b3fa1c0 --plan all

    `narrows analyses` and `narrows trials` list the ids. Ctrl-C stops following, and the work goes
    on; a second Ctrl-C cancels it. Exit status: 0 done or, with --no-follow, not yet; 1 failed; 2
    wrong usage; 3 and 4 see --fail-on; 5 not logged to MLflow.
    """
    from narrows.client.errors import coming_back
    from service.cli.following import connected, left_on_interrupt, noun_of, require_success
    from service.cli.following import follow as follow_to_the_end
    from service.cli.printing import print_answer, print_json
    from service.cli.progress import Steps
    from service.cli.run_analysis import result_of
    from service.cli.run_trial import show_trial
    from service.cli.uploading import require_id

    identity = require_id(job, "ana", "trl")
    findings = Outputs(junit, sarif, github, source_file, mlflow, fail_on, against, report)
    findings.require_possible()
    if findings.options and not follow:
        raise typer.BadParameter(f"{findings.options[0]} needs the result; leave out --no-follow.")
    steps = Steps()
    with connected(steps) as client:
        if noun_of(identity) == "trial":
            _require_of_trials([*findings.options, *(["--plan"] if plan else ())])
            show_trial(
                steps, client, identity, output, follow=follow, mlflow=mlflow, as_json=as_json
            )
            return
        with coming_back("analysis", identity):
            found = client.analyses.retrieve(identity)
        if follow and not found.has_ended:
            with left_on_interrupt(steps, client, identity):
                found = follow_to_the_end(steps, client, identity)
        if found.state != "succeeded":
            if as_json:
                print_json({"analysis": found, "layers": [], "plans": []})
            elif not found.has_ended:
                _print_state(found)
            require_success(found)
            return
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
        result = result_of(steps, client, found, output)
        print_answer(result, _known(result, plan), as_json=as_json)
        if output is None and found.request.get("build") and not as_json:
            typer.echo(f"To download what was built: narrows show {identity} --output DIR")
        findings.finish(client, result)


def _require_of_trials(options: list[str]) -> None:
    """Raise BadParameter for an option that is not for trials."""
    for option in options:
        if option != "--mlflow":
            raise typer.BadParameter(f"{option} is for analyses; this is a trial.")


def _known(result: "Result", names: list[str] | None) -> list[str]:
    """Return the plans whose edits are printed; raise BadParameter for one that is not there."""
    known = [plan.name for plan in result.plans]
    for name in names or ():
        if name not in (*known, ALL):
            choice = ", ".join(map(repr, [*known, ALL]))
            raise typer.BadParameter(
                f"The analysis has no plan {name!r}; choose from {choice}.", param_hint="--plan"
            )
    return names or ["double"]


def _print_state(analysis: "Analysis") -> None:
    from rich.console import Console

    from service.cli.following import said
    from service.cli.report_summary import print_first_look

    typer.echo(f"The analysis {analysis.id} is {analysis.state}: {said(analysis)}.")
    if look := analysis.first_look:
        print_first_look(Console(highlight=False), look)
