"""Large uploads: throughput beside `cp` and `sha256sum`, and the memory of the API.

    python -m benchmarks.upload [--json] [--gigabytes 4] [--rounds 3] [--folder /tmp]

Runs the API alone, with SQLite and a local folder, and uploads a file in parts with the Python
client. In each round `cp` copies the same file on the same disk and `sha256sum` reads the copy.
Goals: at least 60 % of their throughput, and no more than 150 MB of memory beyond an idle API.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil

from benchmarks.polling import free_port
from narrows.client import Client, UnreachableError

T = TypeVar("T")
BLOCK = 1 << 24


def write_file(path: Path, size: int) -> None:
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, size, BLOCK):
            file.write(rng.bytes(min(BLOCK, size - start)))


@contextmanager
def api(data: Path) -> Iterator[tuple[Client, psutil.Process]]:
    """Run `narrows api` until the context is left."""
    port, log = free_port(), data.with_suffix(".log")
    environment = {
        **os.environ,
        "NARROWS_DATA": str(data),
        "NARROWS_LOG_LEVEL": "WARNING",
        "NARROWS_MAX_UPLOAD_BYTES": str(1 << 40),
    }
    command = [sys.executable, "-m", "narrows", "api", "--port", str(port)]
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stderr=output) as run:
        try:
            while not _answers(port, data):
                if run.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.1)
            with Client(f"http://127.0.0.1:{port}", (data / "api-key").read_text().strip()) as it:
                yield it, psutil.Process(run.pid)
        finally:
            run.terminate()


def _answers(port: int, data: Path) -> bool:
    if not (data / "api-key").exists():
        return False
    try:
        with Client(f"http://127.0.0.1:{port}", (data / "api-key").read_text().strip()) as client:
            client.workers.list().first(1)
    except UnreachableError:
        return False
    return True


class PeakMemory(threading.Thread):
    """Looks at the resident memory of a process until `end`, which returns the largest."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process, self._ended, self._peak = process, threading.Event(), 0
        self.start()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def end(self) -> int:
        self._ended.set()
        self.join()
        return self._peak


def timed(work: Callable[..., T], *arguments: object) -> tuple[T, float]:
    """Return what the work returns, and its seconds, once nothing older waits for the disk."""
    os.sync()
    began = time.perf_counter()
    result = work(*arguments)
    return result, time.perf_counter() - began


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def measure(folder: Path, size: int, rounds: int) -> dict[str, float]:
    file, copy = folder / "large.pt2", folder / "copy"
    write_file(file, size)
    copied, hashed, uploaded = list[float](), list[float](), list[float]()
    with api(folder / "data") as (client, process):
        idle = process.memory_info().rss
        memory = PeakMemory(process)
        for _ in range(rounds):
            copied.append(timed(run, "cp", file, copy)[1])
            hashed.append(timed(run, "sha256sum", copy)[1])
            copy.unlink()
            model, seconds = timed(client.models.upload, file)
            uploaded.append(seconds)
            client.models.delete(model.id)
        peak = memory.end()
    tools = [a + b for a, b in zip(copied, hashed, strict=True)]
    return {
        "gigabytes": size / 1e9,
        "cp_seconds": statistics.median(copied),
        "sha256sum_seconds": statistics.median(hashed),
        "upload_seconds": statistics.median(uploaded),
        "throughput_ratio": statistics.median(a / b for a, b in zip(tools, uploaded, strict=True)),
        "idle_megabytes": idle / 1e6,
        "added_megabytes": (peak - idle) / 1e6,
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files go; default: that for such")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        result = measure(Path(name), round(options.gigabytes * 1e9), options.rounds)
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in result.items()}))
    else:
        for name, value in result.items():
            print(f"{name.replace('_', ' '):>17}  {value:.2f}")


if __name__ == "__main__":
    main()
