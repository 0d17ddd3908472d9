"""Logs analyses and trials to MLflow; needs `pip install 'narrows[mlflow]'`."""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from narrows.report.of_analysis import findings_of
from narrows.report.report import Report
from narrows.tracking.record import PREFIX, Record, record_of

if TYPE_CHECKING:
    from narrows.analysis import Analysis
    from narrows.surgery.built import Built

SETTINGS = ("pruning_ratio", "cost", "gate", "seed", "samples")


def log_to_mlflow(
    analysis: "Analysis", title: str = "Network", networks: "Mapping[str, Built] | None" = None
) -> str:
    """Log an analysis, its report and built `networks` by name; return the id of the run.

    The run is the active one, else that of MLFLOW_RUN_ID, else a new one of the experiment that
    MLFLOW_EXPERIMENT_NAME says, and ends. Raises ImportError where MLflow is not installed,
    MlflowException where it does not answer or refuses, and BuildError as `Built.save` does.
    """
    require_mlflow()
    options = {name: getattr(analysis, name) for name in SETTINGS}
    options |= {"method": analysis.method.name, "rule": analysis.judged_by}
    findings = findings_of(analysis, title)
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.pt2") for name in networks or {}}
        for name, built in (networks or {}).items():
            built.save(files[name])
        return log(record_of(findings, options, Report(findings).html()), files.values())


def require_mlflow() -> None:
    """Raise ImportError, saying what to install, where MLflow is not installed."""
    if find_spec("mlflow") is None:
        raise ImportError("MLflow is not installed. Run: pip install 'narrows[mlflow]'")


def log(record: Record, files: Iterable[Path]) -> str:
    """Log a record with files as `log_to_mlflow` does; return the id of the run."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client, now = MlflowClient(), int(time.time() * 1000)
    with _run(record.name) as run_id:
        client.log_batch(
            run_id,
            metrics=[Metric(key, value, now, step=0) for key, value in record.metrics.items()],
            params=[Param(key, value) for key, value in record.params.items()],
            tags=[RunTag(key, value) for key, value in record.tags.items()],
        )
        for name, text in record.texts.items():
            client.log_text(run_id, text, f"{PREFIX}/{name}")
        for path in files:
            client.log_artifact(run_id, str(path), PREFIX)
    return run_id


@contextmanager
def _run(name: str) -> Iterator[str]:
    """Yield the id of a run; one that others have begun goes on, a new one ends."""
    import mlflow

    if active := mlflow.active_run():
        yield active.info.run_id
    elif given := os.environ.get("MLFLOW_RUN_ID"):
        yield given
    else:
        with mlflow.start_run(run_name=name) as new:
            yield new.info.run_id
