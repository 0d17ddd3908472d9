"""`narrows` as a process of its own, in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from typer.testing import CliRunner, Result

Narrows = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Demo:
    """What `narrows demo --json` answered, and the data folder that it left."""

    status: int
    output: str
    errors: str
    data: Path


def environment_of(data: Path, **more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NARROWS_", "COLUMNS"))}
    return {**clean, "NARROWS_DATA": str(data), "PYTHONUNBUFFERED": "1", **more}


def run_narrows(data: Path, *arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "narrows", *map(str, arguments)],
        env=environment_of(data, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def invoked(*arguments: object) -> Result:
    """Run `narrows ARGUMENTS…` in this process, ten times as fast, with a server that is none."""
    from service.cli.commands import app

    nowhere = {"NARROWS_URL": "http://127.0.0.1:9", "NARROWS_API_KEY": "nrw_key"}
    return CliRunner().invoke(app, [*map(str, arguments)], env=nowhere)


def plain(text: str) -> str:
    """Return what is said in the box that a usage error is drawn in, on one line."""
    return " ".join(text.replace("│", " ").split())


@contextmanager
def started(data: Path, *arguments: object, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `narrows ARGUMENTS…` in the background; it ends with the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "narrows", *map(str, arguments)],
        env=environment_of(data, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def processes_in(data: Path) -> list[psutil.Process]:
    """Return the processes that work in this folder, or below, whoever started them."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            running = process.status() != psutil.STATUS_ZOMBIE
            if running and process.environ().get("NARROWS_DATA", "").startswith(str(data)):
                found.append(process)
    return found


def line_of(process: "subprocess.Popen[str]", start: str, stream: str) -> str:
    """Read what the process says until a line that starts so; return the rest of that line."""
    lines = []
    for line in getattr(process, stream):
        lines.append(line)
        if line.startswith(start):
            return str(line.removeprefix(start).strip())
    raise AssertionError(f"{start!r} never came: {lines}")


def port_of_api(api: "subprocess.Popen[str]", data: Path) -> int:
    line_of(api, "", "stderr")
    (port,) = {c.laddr.port for p in processes_in(data) for c in p.net_connections()}
    return int(port)
