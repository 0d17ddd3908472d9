"""However `up` and `demo` end, nothing that they started stays behind."""

import http.client
import json
import signal
import time
from pathlib import Path

import pytest

from tests.support.command_line import (
    Demo,
    line_of,
    port_of_api,
    processes_in,
    run_narrows,
    started,
)
from tests.support.jobs import wait_until

NOW_AND_THEN = 6.0
"""Seconds; more than uvicorn keeps an idle connection by itself."""


def test_the_demo_finds_what_it_planted(demo: Demo) -> None:
    assert demo.status == 0, demo.errors
    assert json.loads(demo.output)["analysis"]["summary"]["bottlenecks"] == ["features.conv3"]
    report = (demo.data / "demo" / "report.html").read_text()
    assert "features.conv3 is a bottleneck." in report


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGKILL, -9)]
)
def test_up(number: signal.Signals, status: int, tmp_path: Path) -> None:
    with started(tmp_path, "up", "--port", 0) as up:
        line_of(up, "API key: nrw_", "stdout")
        wait_until(lambda: len(processes_in(tmp_path)) >= 5)  # API, launcher, worker, fork server
        up.send_signal(number)
        _, log = up.communicate(timeout=60)
    assert up.returncode == status
    assert log == ""
    wait_until(lambda: not processes_in(tmp_path))


def test_up_ends_when_its_api_does(tmp_path: Path) -> None:
    with started(tmp_path, "up", "--port", 0) as up:
        line_of(up, "API key: ", "stdout")
        (api,) = (p for p in processes_in(tmp_path) if "api" in p.cmdline())
        api.kill()
        _, log = up.communicate(timeout=60)
    assert up.returncode == 1
    assert log.endswith("The API was killed by signal 9; stopped everything.\n")
    wait_until(lambda: not processes_in(tmp_path))


def test_a_connection_outlasts_a_client_that_asks_now_and_then(tmp_path: Path) -> None:
    with started(tmp_path, "api", "--port", 0) as api:
        connection = http.client.HTTPConnection("127.0.0.1", port_of_api(api, tmp_path), timeout=60)
        connection.request("GET", "/livez")
        assert connection.getresponse().read() == b'{"status":"ok"}'
        time.sleep(NOW_AND_THEN)
        connection.sock.setblocking(False)
        with pytest.raises(BlockingIOError):  # b"" would be its end
            connection.sock.recv(1)
        connection.close()


def test_a_port_in_use(tmp_path: Path) -> None:
    with started(tmp_path, "api", "--port", 0) as api:
        port = port_of_api(api, tmp_path)
        done = run_narrows(tmp_path, "up", "--port", port)
    assert done.returncode == 1
    assert done.stderr == f"Port {port} of 127.0.0.1 is in use; choose another with --port.\n"


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_interrupted_demo(number: signal.Signals, status: int, tmp_path: Path) -> None:
    with started(tmp_path, "demo") as demo:
        line_of(demo, "Training", "stderr")
        demo.send_signal(number)
        _, log = demo.communicate(timeout=60)
    assert demo.returncode == status
    assert "Traceback" not in log
    wait_until(lambda: not processes_in(tmp_path))
