"""A `narrows api` of its own, and what is sent to it byte by byte."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.command_line import environment_of
from tests.support.running import answers, wait_until


@dataclass(frozen=True)
class Api:
    """A running `narrows api`; its log goes to a file."""

    process: psutil.Process
    port: int
    data: Path

    @property
    def key(self) -> str:
        return (self.data / "api-key").read_text()

    def client(self, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {self.key}", **headers},
            transport=httpx.HTTPTransport(local_address=address),
            timeout=60,
        )

    def send(self, text: str, address: str = "127.0.0.1") -> socket.socket:
        """Connect, and send the beginning of a request, or nothing."""
        raw = socket.create_connection(("127.0.0.1", self.port), 60, (address, 0))
        if text:
            raw.sendall(text.replace("\n", "\r\n").replace("KEY", self.key).encode())
        return raw

    def connected(self) -> set[int]:
        """Return the ports of the clients."""
        return {c.raddr.port for c in self.process.net_connections() if c.raddr}

    def log(self) -> list[dict[str, Any]]:
        lines = (self.data / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def warnings(self) -> list[str]:
        return [line["event"] for line in self.log() if line["level"] != "info"]


@contextmanager
def serving(data: Path, **settings: object) -> Iterator[Api]:
    more = {f"NARROWS_{name.upper()}": str(value) for name, value in settings.items()}
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "narrows", "api", "--port", str(port)]
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment_of(data, **more), stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url))
        yield Api(psutil.Process(process.pid), port, data)
    finally:
        process.terminate()
        process.wait(30)
