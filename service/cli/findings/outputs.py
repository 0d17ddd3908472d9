"""Where findings go: files, annotations, MLflow, the exit status."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.fail_on import Gate, exit_if, gate_of, require_against
from service.cli.options import FailOnWord
from service.cli.report_file import require_writable, write_report

if TYPE_CHECKING:
    from narrows.client import Client
    from service.cli.run_analysis import Result

NOT_LOGGED = 5
"""The exit status if MLflow did not take the result."""

Junit = Annotated[
    Path | None,
    typer.Option(metavar="FILE", dir_okay=False, help="Write a JUnit file, a test case a layer."),
]
Sarif = Annotated[
    Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write the findings in SARIF.")
]
Github = Annotated[
    bool,
    typer.Option("--github", help="Annotate the pull request, by GitHub's workflow commands."),
]
Source = Annotated[
    Path | None,
    typer.Option(
        "--source",
        metavar="FILE",
        help="Where --sarif and --github place findings, relative to the repository's root: the "
        "code of the network. Default: the name of the model's file.",
    ),
]
Mlflow = Annotated[
    bool,
    typer.Option(
        "--mlflow", help="Log to the run or experiment that MLflow's environment variables say."
    ),
]


@dataclass(frozen=True)
class Outputs:
    """The files that were asked for, and whether annotations, a run of MLflow and a gate were."""

    junit: Path | None = None
    sarif: Path | None = None
    github: bool = False
    source: Path | None = None
    mlflow: bool = False
    fail_on: FailOnWord | None = None
    against: str | None = None
    report: Path | None = None

    @property
    def options(self) -> list[str]:
        """The names of the options that were given and need the result."""
        given = {
            "--junit": self.junit,
            "--sarif": self.sarif,
            "--github": self.github,
            "--report": self.report,
            "--mlflow": self.mlflow,
            "--fail-on": self.fail_on,
        }
        return [name for name, value in given.items() if value]

    def require_possible(self, *, detach: bool = False) -> None:
        """Raise BadParameter or CommandError if something can't go where it was asked for.

        Called before anything is computed. With `detach` nobody waits for the result.
        """
        if self.source is not None and not (self.sarif or self.github):
            raise typer.BadParameter("--source is for --sarif and --github; leave it out.")
        require_writable(self.report)
        for path in (self.junit, self.sarif):
            if path is not None and not path.parent.is_dir():
                raise typer.BadParameter(f"The folder {path.parent} of {path} does not exist.")
        require_against(self.fail_on, self.against)
        if detach and self.options:
            raise typer.BadParameter(
                f"{self.options[0]} needs the result: give it to `narrows show`."
            )
        if self.mlflow:
            from service.cli.findings.mlflow import require_mlflow

            require_mlflow()

    def finish(self, client: "Client", result: "Result") -> None:
        """Write what was asked for; raise typer.Exit with the status that says what was found."""
        gate = gate_of(client, result, self.fail_on, self.against)
        if self.report is not None:
            write_report(client, result.analysis.id, self.report)
        if self.junit or self.sarif or self.github:
            self._write_findings(client, result, gate)
        logged = True
        if self.mlflow:
            from service.cli.findings.mlflow import log_result

            logged = log_result(client, result)
        exit_if(result, gate)
        if not logged:
            raise typer.Exit(NOT_LOGGED)

    def _write_findings(self, client: "Client", result: "Result", gate: Gate) -> None:
        """Write files, and annotations on standard error, which GitHub reads as well."""
        from service.cli.findings.finding import findings_of
        from service.cli.findings.github import annotation
        from service.cli.findings.junit import junit
        from service.cli.findings.sarif import sarif

        findings = findings_of(result, gate)
        source = self.source or Path(client.models.retrieve(result.analysis.model_id).filename)
        if self.junit is not None:
            self.junit.write_text(junit(result, gate), encoding="utf-8")
        if self.sarif is not None:
            self.sarif.write_text(sarif(findings, source, result.analysis.name), encoding="utf-8")
        if self.github:
            for finding in findings:
                typer.echo(annotation(finding, source), err=True)
            _add_to_summary(client, result.analysis.id)


def _add_to_summary(client: "Client", analysis_id: str) -> None:
    """Add the report to the summary of the job, if this is one of GitHub's."""
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(client.analyses.report(analysis_id, format="md"))
