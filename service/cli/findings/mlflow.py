"""`--mlflow`: logs a result or a trial to MLflow; where that fails, says how to do it again."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from narrows.report.findings import Findings
from narrows.tracking import mlflow
from narrows.tracking.record import Record, record_of
from narrows.tracking.trial_record import record_of_trial
from service.cli.errors import CommandError
from service.cli.following import noun_of
from service.cli.report_summary import summary_of
from service.objects_in_text import without_addresses

if TYPE_CHECKING:
    from narrows.client import Analysis, Client, Trial
    from narrows.client.types import TrialRun
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
    """Log a result with the networks that it built, as `_log` does."""
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
    record = record_of(findings, analysis.request, analysis.report())
    return _log(client, record, analysis, [path for _, path in result.built or ()])


def log_trial(
    client: "Client", trial: "Trial", runs: Sequence["TrialRun"], files: Sequence[Path]
) -> bool:
    """Log a trial with its trained networks, as `_log` does; `files` are those on this machine."""
    title = client.models.retrieve(trial.model_id).name
    documents = [run.to_dict() for run in runs]
    record = record_of_trial(trial.to_dict(), documents, title, trial.url)
    return _log(client, record, trial, files)


def _log(client: "Client", record: Record, job: "Analysis | Trial", files: Sequence[Path]) -> bool:
    """Log a record with the files of a job, which are downloaded if none are given.

    Return False where MLflow did not take it; standard error says why.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    resource = client.trials if noun_of(job.id) == "trial" else client.analyses
    with TemporaryDirectory() as folder:
        files = files or [
            resource.download(job.id, artifact.name, folder) for artifact in job.artifacts
        ]
        try:
            run = mlflow.log(record, files)
        except Exception as error:  # its stores raise whatever they like
            typer.echo(
                f"The {noun_of(job.id)} {job.id} has succeeded, but is not logged: {_said(error)}\n"
                f"To log it again: narrows show {job.id} --mlflow",
                err=True,
            )
            return False
    typer.echo(f"Logged to the run {run} of MLflow.", err=True)
    return True


def _said(error: Exception) -> str:
    """Return the first line of an error, without objects' addresses and passwords in URLs.

    >>> _said(ValueError("can't reach http://me:secret@mlflow.example"))
    "can't reach http://mlflow.example"
    """
    line, *_ = without_addresses(str(error)).split("\n")
    return re.sub(r"//[^/@\s]+@", "//", line)
