"""The API is restarted under a command that waits; all of it are real processes."""

import subprocess
from pathlib import Path

import pytest

from tests.support.command_line import line_of, port_of_api, started

pytestmark = pytest.mark.faults


def test_a_wait_outlives_a_restart_of_the_api(files: tuple[Path, Path], tmp_path: Path) -> None:
    with started(tmp_path, "api", "--port", 0) as api:  # without a worker, nothing ends
        port = port_of_api(api, tmp_path)
        address = {"NARROWS_URL": f"http://127.0.0.1:{port}"}
        with started(tmp_path, "analyze", *files, **address) as analyze:
            line_of(analyze, "Inspecting model.pt2", "stderr")
            wait_for_a_look(api)
            stop(api)
            line_of(analyze, "Trying again", "stderr")
            with started(tmp_path, "up", "--port", port):
                output, said = analyze.communicate(timeout=120)
    assert analyze.returncode == 0, said
    assert "features.conv3" in output


def wait_for_a_look(api: "subprocess.Popen[str]") -> None:
    """Wait until the command has seen the upload, so that it is in its wait."""
    for line in api.stderr or ():
        if "/v1/models/mdl_" in line:
            return
    raise AssertionError("nobody looked at the model")


def stop(api: "subprocess.Popen[str]") -> None:
    api.terminate()
    api.communicate(timeout=30)
