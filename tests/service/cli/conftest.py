"""A demo that has run, and a service that runs."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import Narrows, line_of, run_narrows, started


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    """What `narrows demo --json` answered; `args[0]` is its data folder."""
    data = tmp_path_factory.mktemp("demo")
    done = run_narrows(data, "demo", "--json")
    done.args = [data]
    return done


@pytest.fixture(scope="session")
def files(demo: "subprocess.CompletedProcess[str]") -> tuple[Path, Path]:
    """A network with a bottleneck, and its data."""
    assert demo.returncode == 0, demo.stderr
    folder = demo.args[0] / "demo"
    return folder / "model.pt2", folder / "digits.npz"


@pytest.fixture(scope="module")
def narrows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Narrows]:
    """Call `narrows` where a service runs."""
    data = tmp_path_factory.mktemp("up")
    with started(data, "up", "--port", "0") as service:
        url = line_of(service, "Narrows listens on ", "stdout")

        def call(*arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
            return run_narrows(data, *arguments, **{"NARROWS_URL": url, **more})

        yield call
