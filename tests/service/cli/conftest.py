"""A demo that has run, and a service that runs."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import (
    Demo,
    Narrows,
    line_of,
    processes_in,
    run_narrows,
    started,
)
from tests.support.jobs import wait_until
from tests.support.made_once import made_once


@pytest.fixture(scope="session")
def demo() -> Demo:
    """The demo of this run, the same one on all sides; nothing that it started stayed behind."""

    def run(data: Path) -> None:
        data.mkdir()
        done = run_narrows(data, "demo", "--json")
        wait_until(lambda: not processes_in(data))  # its fork server may still be dying
        (data / "done.json").write_text(json.dumps([done.returncode, done.stdout, done.stderr]))

    data = made_once("demo", run)
    status, output, errors = json.loads((data / "done.json").read_text())
    return Demo(status, output, errors, data)


@pytest.fixture(scope="session")
def files(demo: Demo) -> tuple[Path, Path]:
    """A network with a bottleneck, and its data."""
    assert demo.status == 0, demo.errors
    return demo.data / "demo" / "model.pt2", demo.data / "demo" / "digits.npz"


@pytest.fixture(scope="module")
def narrows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Narrows]:
    """Call `narrows` where a service runs."""
    data = tmp_path_factory.mktemp("up")
    with started(data, "up", "--port", "0") as service:
        url = line_of(service, "Narrows listens on ", "stdout")

        def call(*arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
            return run_narrows(data, *arguments, **{"NARROWS_URL": url, **more})

        yield call
