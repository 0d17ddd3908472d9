"""MLflow's own server on loopback, and what it has."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.command_line import line_of


@dataclass(frozen=True)
class MlflowServer:
    url: str
    http: httpx.Client

    def call(self, method: str, path: str, **content: Any) -> Any:
        answer = self.http.request(method, f"/api/2.0/mlflow/{path}", **content)
        return answer.raise_for_status().json()

    def run(self, run_id: str) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return the state of a run, and its parameters, metrics and tags."""
        run = self.call("GET", "runs/get", params={"run_id": run_id})["run"]
        params, metrics, tags = (
            {pair["key"]: pair["value"] for pair in run["data"].get(kind, ())}
            for kind in ("params", "metrics", "tags")
        )
        return run["info"]["status"], params, metrics, tags

    def artifact(self, run_id: str, path: str) -> bytes:
        answer = self.http.get("/get-artifact", params={"run_uuid": run_id, "path": path})
        return answer.raise_for_status().content


@contextmanager
def mlflow_server(folder: Path) -> Iterator[MlflowServer]:
    """Run the app that `mlflow server` runs, without its processes for other work."""
    settings = {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder / 'mlflow.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "mlflow.server:app", "run", "--port", "0"],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = line_of(process, " * Running on ", "stderr")
        with httpx.Client(base_url=url, timeout=60) as http:
            yield MlflowServer(url, http)
    finally:
        process.terminate()
        process.communicate(timeout=30)
