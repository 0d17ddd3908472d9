"""The whole service as `narrows up` runs it, and a client of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from narrows.client import Client


@contextmanager
def running(environment: dict[str, str], data: Path) -> Iterator[Client]:
    """Run `narrows up` and stop it; yield a client once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "narrows", "up", "--port", str(port)],
        env={**os.environ, "NARROWS_DATA": str(data), **environment},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: (data / "api-key").exists() and answers(url))
        with Client(url, (data / "api-key").read_text().strip()) as client:
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def wait_until(condition: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the service does not answer"
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").is_success
    except httpx.TransportError:
        return False
