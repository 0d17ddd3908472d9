"""What an installed copy brings, what its client needs, and who wins where names are the same."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.command_line import line_of, processes_in, started
from tests.support.jobs import wait_until
from tests.support.servers import unreachable

ROOT = Path(__file__).parents[1]

MODEL = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
"""


def run(*command: object, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder, ROOT, cwd=folder)
    if done.returncode:
        unreachable(f"The package index ({done.stderr[-200:]})")
    return next(folder.glob("*.whl"))


def test_an_installed_copy_adds_three_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.partition("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == {
        "narrows",
        "service",
        "worker",
    }
    assert "narrows/py.typed" in names
    versions = {Path(name).name for name in names if "service/database/migrations/versions" in name}
    assert versions == {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}


def test_a_client_needs_httpx_alone(wheel: Path, tmp_path: Path) -> None:
    """As docs/deployment.md has it: 1.3 GB less."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    for what in (("httpx",), ("--no-deps", wheel)):
        done = run(python, "-m", "pip", "install", "-q", *what, cwd=tmp_path)
        if done.returncode:
            unreachable(f"The package index ({done.stderr[-200:]})")
    program = "from narrows import Client; Client('http://127.0.0.1:9').analyses.retrieve('ana_1')"
    done = run(python, "-c", program, cwd=tmp_path, NARROWS_API_KEY="", NARROWS_DATA="")
    assert "UnreachableError: No Narrows server at http://127.0.0.1:9." in done.stderr
    listed = run(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).stdout
    assert "torch" not in listed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that has packages `worker` and `service` of its own."""
    folder = tmp_path / "project"
    for name in ("worker", "service"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("whose = 'theirs'\n")
    (folder / "worker" / "model.py").write_text(MODEL)
    return folder


@pytest.mark.parametrize("path", ["", "."])
def test_a_project_with_packages_of_our_names(project: Path, path: str) -> None:
    """Its own modules are exported, and ours run, also where PYTHONPATH puts its own first."""
    command = ("-m", "narrows", "export", "worker.model:Net", "--input", "2x4", "-o", "net.pt2")
    done = run(sys.executable, *command, cwd=project, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Wrote net.pt2")
    program = "import worker, narrows; print(worker.whose, narrows.Client.__module__)"
    done = run(sys.executable, "-c", program, cwd=project, PYTHONPATH=path)
    assert done.stdout == "theirs narrows.client.synchronous.client\n", done.stderr


def test_the_service_runs_in_such_a_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    with started(tmp_path / "data", "up", "--port", 0, PYTHONPATH=str(project)) as up:
        line_of(up, "API key: nrw_", "stdout")
        wait_until(lambda: len(processes_in(tmp_path / "data")) >= 7)  # with both fork servers
        assert up.poll() is None
