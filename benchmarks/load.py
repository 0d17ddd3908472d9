"""What the service itself can carry: submissions, polls and shards a second, with 1 and 2 workers.

    python -m benchmarks.load [--json] [--analyses 1000] [--clients 50] [--seconds 15]

Runs the embedded service on loopback in a temporary folder. The same clients also poll a bare
Starlette route that answers as many bytes: what this machine can do at all, in the same run.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import uvicorn
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from torch import nn

from service.client import Client, UnreachableError
from service.database.engine import make_engine
from service.database.tables import Analysis
from service.settings import Settings
from worker.export import export_module

SHARDS = 200
SUBMITTERS = 4


@dataclass(frozen=True)
class Polls:
    """How clients were answered that asked as fast as they could."""

    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Load:
    """What was measured with so many workers."""

    workers: int
    submissions_per_second: float
    polls: Polls
    shards_per_second: float
    overhead_ms_per_shard: float
    analyses_per_second_meanwhile: float


def poll(port: int, path: str, key: str, clients: int, seconds: float) -> Polls:
    """Ask from a process of its own, so that only the server is waited for."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        latencies = pool.apply(_poll, (port, path, key, clients, seconds))
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return Polls(len(latencies) / seconds, float(p50), float(p99))


def _poll(port: int, path: str, key: str, clients: int, seconds: float) -> list[float]:
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while (began := time.perf_counter()) < until:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            latencies.append(time.perf_counter() - began)

    _at_once([client] * clients)
    return latencies


def _at_once(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running(*command: str, **environment: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def upload(client: Client, folder: Path) -> tuple[str, str]:
    """Upload a tiny network and data for `SHARDS` shards; wait until both are ready."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    export_module(network, (torch.zeros(2, 8),), folder / "model.pt2")
    rng = np.random.default_rng(0)
    x = rng.random((SHARDS * 4, 8), np.float32)
    np.savez(folder / "data.npz", x=x, y=rng.integers(0, 4, len(x)))
    while True:
        try:
            model = client.upload_model(folder / "model.pt2")["id"]
            break
        except UnreachableError:
            time.sleep(0.1)
    dataset = client.upload_dataset(folder / "data.npz")["id"]
    for watch in (client.watch_model(model), client.watch_dataset(dataset)):
        *_, found = watch
        assert found["state"] == "ready", found["error"]
    return model, dataset


def shard_rate(client: Client, model: str, dataset: str) -> tuple[float, float]:
    """Return the seconds a shard takes, and those of them spent computing, in a job of many."""
    began, done_at = 0.0, 0.0
    first = None
    analysis = client.analyze(model, dataset, batch_size=4)["id"]
    while True:
        found = client.analysis(analysis)
        if first is None and found["progress"]["done"]:
            first, began = found["progress"]["done"], time.perf_counter()
        if found["progress"]["stage"] in {"reduce", "done"} and not done_at:
            done_at = time.perf_counter()
        if found["state"] == "succeeded":
            break
        time.sleep(0.02)
    assert first is not None
    assert found["provenance"] is not None
    computing = float(found["provenance"]["compute_seconds"]) / SHARDS
    return (done_at - began) / (SHARDS - first), computing


def submit(url: str, key: str, model: str, dataset: str, count: int) -> float:
    """Queue so many analyses of one shard each; return how many a second were taken."""
    began = time.perf_counter()

    def ask() -> None:
        with Client(url, key) as client:
            for _ in range(count // SUBMITTERS):
                client.analyze(model, dataset, max_samples=4, batch_size=4)

    _at_once([ask] * SUBMITTERS)
    return count / (time.perf_counter() - began)


def ended(data: Path) -> int:
    """Count the analyses that have come to their end."""
    engine = make_engine(Settings(data=data).resolved_database_url)
    with engine.begin() as connection:
        over = Analysis.state.in_(("succeeded", "failed", "cancelled"))
        count = connection.scalar(select(func.count()).select_from(Analysis).where(over))
    engine.dispose()
    return count or 0


def measure(workers: int, options: argparse.Namespace) -> tuple[Load, int]:
    """Return what the service carries, and how many bytes it answered a poll with."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        data = Path(name)
        environment = {"NARROWS_DATA": name, "NARROWS_SHARD_SAMPLES": "4", "OMP_NUM_THREADS": "1"}
        command = ["-m", "service.cli", "up", "--port", str(port), "--workers", str(workers)]
        with running(*command, **environment):
            while not (data / "api-key").exists():
                time.sleep(0.1)
            key = (data / "api-key").read_text().strip()
            with Client(url, key) as client:
                model, dataset = upload(client, data)
                shard, computing = shard_rate(client, model, dataset)
                submissions = submit(url, key, model, dataset, options.analyses)
                last = client.analyze(model, dataset)["id"]
                before, began = ended(data), time.perf_counter()
                polls = poll(port, f"/v1/analyses/{last}", key, options.clients, options.seconds)
                finished = (ended(data) - before) / (time.perf_counter() - began)
                size = len(json.dumps(client.analysis(last)))
    return Load(
        workers=workers,
        submissions_per_second=submissions,
        polls=polls,
        shards_per_second=1 / shard,
        overhead_ms_per_shard=(shard * workers - computing) * 1000,
        analyses_per_second_meanwhile=finished,
    ), size


def ceiling(size: int, options: argparse.Namespace) -> Polls:
    """Poll a bare route of Starlette that answers `size` bytes."""
    port = free_port()
    with running("-m", "benchmarks.load", "--bare", str(port), str(size)):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        return poll(port, "/", "none", options.clients, options.seconds)


def serve_bare_route(port: int, size: int) -> None:
    """Answer every GET with JSON of so many bytes."""

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse("x" * size)

    uvicorn.run(Starlette(routes=[Route("/", answer)]), port=port, log_config=None)


def show(loads: list[Load], bare: Polls) -> None:
    """Print the table for RESULTS.md."""
    print(f"| | {' | '.join(f'{load.workers} worker(s)' for load in loads)} | bare route |")
    print("| --- |" + " --- |" * (len(loads) + 1))
    rows: list[tuple[str, list[float], float | None]] = [
        ("submissions/s", [load.submissions_per_second for load in loads], None),
        ("polls/s", [load.polls.per_second for load in loads], bare.per_second),
        ("a poll, p50, ms", [load.polls.p50_ms for load in loads], bare.p50_ms),
        ("a poll, p99, ms", [load.polls.p99_ms for load in loads], bare.p99_ms),
        ("shards/s", [load.shards_per_second for load in loads], None),
        ("queue overhead a shard, ms", [load.overhead_ms_per_shard for load in loads], None),
        ("analyses/s beside the polls", [x.analyses_per_second_meanwhile for x in loads], None),
    ]
    for name, values, other in rows:
        cells = [f"{value:,.1f}" for value in values]
        print(f"| {name} | {' | '.join(cells)} | {'' if other is None else f'{other:,.1f}'} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    parser.add_argument("--analyses", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--bare", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        serve_bare_route(*options.bare)
        return
    measured = [measure(workers, options) for workers in (1, 2)]
    loads, sizes = [load for load, _ in measured], [size for _, size in measured]
    bare = ceiling(sizes[-1], options)
    if options.json:
        print(json.dumps({"loads": [asdict(load) for load in loads], "bare": asdict(bare)}))
    else:
        show(loads, bare)


if __name__ == "__main__":
    main()
