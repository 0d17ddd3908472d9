"""SIGTERM comes while requests wait: they end soon, cleanly, and nothing is logged as an error."""

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.answers import created
from tests.support.command_line import line_of, started

pytestmark = pytest.mark.faults

AT_MOST = 30.0
"""Seconds, beside faults that take the whole machine; 2 are promised, a wait would take 60."""


class Running:
    """`narrows api` or `narrows up` with an analysis that no worker begins."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, data: Path) -> None:
        self.process, self.url = process, url
        self.key = (data / "api-key").read_text()
        with self.client() as client:
            ids = {
                f"{kind}_id": created(client.post(f"/v1/{kind}s", files={"file": b"x"}))["id"]
                for kind in ("model", "dataset")
            }
            self.analysis = created(client.post("/v1/analyses", json=ids))
        self.path = f"/v1/analyses/{self.analysis['id']}"

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def end(self) -> tuple[str, float]:
        """Send SIGTERM; return the log, and how many seconds the process took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=60)
        return log, time.monotonic() - begun


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with started(tmp_path, "api", "--port", 0) as api:
        line_of(api, "", "stderr")
        (port,) = {c.laddr.port for c in psutil.Process(api.pid).net_connections()}
        yield Running(api, f"http://127.0.0.1:{port}", tmp_path)


class InBackground(threading.Thread):
    """Calls a function; `result` gives what it returned."""

    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._act, self._result = act, None
        self.start()

    def run(self) -> None:
        self._result = self._act()

    def result(self) -> Any:
        self.join(60)
        assert not self.is_alive()
        return self._result


def quiet(log: str) -> bool:
    """Return whether a log of JSON lines has nothing but information."""
    return {json.loads(line)["level"] for line in log.splitlines()} <= {"info"}


def waiting(running: Running, **headers: str) -> InBackground:
    def wait() -> httpx.Response:
        with running.client() as client:
            return client.get(running.path, headers={"Prefer": "wait=60", **headers})

    begun = InBackground(wait)
    time.sleep(0.5)  # so that it waits
    return begun


@contextmanager
def half_an_upload(running: Running) -> Iterator[None]:
    head = (
        f"POST /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.key}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="m"\r\n\r\nxxxx'
    )
    address = ("127.0.0.1", int(running.url.rpartition(":")[2]))
    with socket.create_connection(address) as connection:
        connection.sendall(head.encode())
        time.sleep(0.5)  # so that it is being received
        yield


@pytest.mark.parametrize("status", [200, 304])
def test_waits_end_early(running: Running, status: int) -> None:
    with running.client() as client:
        tag = client.get(running.path).headers["etag"]
    asked = waiting(running, **({"If-None-Match": tag} if status == 304 else {}))
    log, seconds = running.end()
    answer = asked.result()
    assert answer.status_code == status
    assert answer.headers["connection"] == "close"
    assert answer.headers["etag"] == tag
    if status == 200:
        assert answer.json()["state"] == "queued"
    assert quiet(log), log
    assert seconds < AT_MOST
    assert running.process.returncode == 0


def test_streams_end_cleanly(running: Running) -> None:
    with running.client() as client, client.stream("GET", f"{running.path}/events") as stream:
        lines = stream.iter_lines()
        assert "created" in next(lines) + next(lines)
        log, seconds = running.end()
        list(lines)  # raises RemoteProtocolError if the stream is cut
    assert quiet(log), log
    assert seconds < AT_MOST


def test_an_idle_connection_and_half_an_upload(running: Running) -> None:
    with running.client() as idle, half_an_upload(running):
        idle.get("/livez")
        log, seconds = running.end()
    assert quiet(log), log
    assert seconds < AT_MOST


def test_a_second_signal_ends_at_once(running: Running) -> None:
    with half_an_upload(running):
        running.process.send_signal(signal.SIGTERM)
        for line in running.process.stderr or ():
            if "Waiting for connections" in line:
                break
        running.process.send_signal(signal.SIGTERM)
        running.process.communicate(timeout=60)
    assert running.process.returncode == 143


def test_up_ends_its_waits_too(tmp_path: Path) -> None:
    with started(tmp_path, "up", "--port", 0) as up:
        url = line_of(up, "Narrows listens on ", "stdout")
        line_of(up, "API key: ", "stdout")
        with httpx.Client(base_url=url) as client:
            while not _answers(client):
                time.sleep(0.05)
        running = Running(up, url, tmp_path)
        asked = waiting(running)
        log, _ = running.end()
        assert asked.result().status_code == 200
    assert log == ""
    assert up.returncode == 0


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").is_success
    except httpx.TransportError:
        return False
