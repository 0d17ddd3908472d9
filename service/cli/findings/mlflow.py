"""`--mlflow`: logs a result to MLflow; where that fails, says how to do it again."""

import os
import re
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from narrows.report.findings import Findings
from narrows.tracking import mlflow
from narrows.tracking.record import Record, record_of
from service.cli.errors import CommandError
from service.cli.report_summary import summary_of
from service.objects_in_text import without_addresses

if TYPE_CHECKING:
    from narrows.client import Client
    from service.cli.run_analysis import Result

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # a quarter of a minute; its own 7 take five
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # where `--json` prints
}
"""MLflow's settings in this process, unless the environment has others."""


def require_mlflow() -> None:
    """Raise CommandError, saying what to install, where MLflow is not installed."""
    try:
        mlflow.require_mlflow()
    except ImportError as error:
        raise CommandError(str(error)) from None


def log_result(client: "Client", result: "Result") -> bool:
    """Log a result with the networks that it built; return False where MLflow did not take it."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    identity = result.analysis.id
    record = _record(client, result)
    with TemporaryDirectory() as folder:
        files = [path for _, path in result.built or ()] or [
            client.analyses.download(identity, artifact.name, folder)
            for artifact in result.analysis.artifacts
        ]
        try:
            run = mlflow.log(record, files)
        except Exception as error:  # its stores raise whatever they like
            typer.echo(
                f"The analysis {identity} has succeeded, but is not logged: {_said(error)}\n"
                f"To log it again: narrows show {identity} --mlflow",
                err=True,
            )
            return False
    typer.echo(f"Logged to the run {run} of MLflow.", err=True)
    return True


def _record(client: "Client", result: "Result") -> Record:
    analysis = result.analysis
    findings = Findings(
        summary=summary_of(analysis).to_dict(),
        rows=[layer.to_dict() for layer in result.layers],
        plans=[plan.to_dict() for plan in result.plans],
        saliencies={},
        provenance=analysis.provenance or {},
        title=client.models.retrieve(analysis.model_id).name,
        identity=analysis.id,
        origin=[("url", analysis.url)],
    )
    return record_of(findings, analysis.request, analysis.report())


def _said(error: Exception) -> str:
    """Return the first line of an error, without objects' addresses and passwords in URLs.

    >>> _said(ValueError("can't reach http://me:secret@mlflow.example"))
    "can't reach http://mlflow.example"
    """
    line, *_ = without_addresses(str(error)).split("\n")
    return re.sub(r"//[^/@\s]+@", "//", line)
