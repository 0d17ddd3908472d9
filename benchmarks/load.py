"""Load test of the service: submissions, polls and shards per second, with 1 and 2 workers.

    python -m benchmarks.load [--json] [--analyses 1000] [--clients 50] [--seconds 15]
    python -m benchmarks.load --postgres postgresql://postgres@127.0.0.1 --redis redis://127.0.0.1/9

Runs the whole service on loopback in a temporary folder, with SQLite and the folder broker, or with
a new database on a PostgreSQL server and an empty Redis database. For comparison, the same clients
also poll a bare Starlette route whose response has as many bytes: the limit of this machine.
"""

import argparse
import json
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from sqlalchemy import Engine, create_engine, func, make_url, select, text
from torch import nn

from benchmarks.polling import Polls, at_once, ceiling, free_port, poll
from benchmarks.processes import running
from narrows.client import Client, UnreachableError
from service.database.engine import make_engine
from service.database.tables import Analysis
from service.settings import Settings
from worker.cli.export import export_module

SHARDS = 200
SUBMITTERS = 4


@dataclass(frozen=True)
class Load:
    """The measurements with one number of workers."""

    workers: int
    submissions_per_second: float
    polls: Polls
    shards_per_second: float
    overhead_ms_per_shard: float
    analyses_per_second_meanwhile: float
    analyses_per_second: float


@contextmanager
def database(server: str | None) -> Iterator[str]:
    """Yield the URL of a new database on the PostgreSQL server; "" (SQLite) without a server."""
    if server is None:
        yield ""
        return
    url = make_url(Settings(database_url=server).resolved_database_url)
    name = f"narrows_load_{secrets.token_hex(4)}"
    admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        new = url.set(database=name, drivername="postgresql")
        yield new.render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def upload(client: Client, folder: Path) -> tuple[str, str]:
    """Upload a tiny network and data for `SHARDS` shards; return both ids when they are ready."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    export_module(network, (torch.zeros(2, 8),), folder / "model.pt2")
    rng = np.random.default_rng(0)
    x = rng.random((SHARDS * 4, 8), np.float32)
    np.savez(folder / "data.npz", x=x, y=rng.integers(0, 4, len(x)))
    while True:
        try:
            model = client.models.upload(folder / "model.pt2").id
            break
        except UnreachableError:
            time.sleep(0.1)
    dataset = client.datasets.upload(folder / "data.npz").id
    return client.models.wait(model).id, client.datasets.wait(dataset).id


def shard_rate(client: Client, model: str, dataset: str) -> tuple[float, float]:
    """Return the seconds per shard of one analysis, and those of them spent on computing."""
    began, done_at = 0.0, 0.0
    first = None
    identity = client.analyses.create(model_id=model, dataset_id=dataset, batch_size=4).id
    while True:
        analysis = client.analyses.retrieve(identity)
        if first is None and analysis.progress.done:
            first, began = analysis.progress.done, time.perf_counter()
        if analysis.progress.stage in {"reduce", "done"} and not done_at:
            done_at = time.perf_counter()
        if analysis.state == "succeeded":
            break
        time.sleep(0.02)
    assert first is not None
    assert analysis.provenance is not None
    computing = float(analysis.provenance["compute_seconds"]) / SHARDS
    return (done_at - began) / (SHARDS - first), computing


def submit(url: str, key: str, model: str, dataset: str, count: int) -> float:
    """Submit `count` analyses of one shard each; return the number per second."""
    began = time.perf_counter()

    def ask() -> None:
        with Client(url, key) as client:
            for _ in range(count // SUBMITTERS):
                client.analyses.create(
                    model_id=model, dataset_id=dataset, max_samples=4, batch_size=4
                )

    at_once([ask] * SUBMITTERS)
    return count / (time.perf_counter() - began)


class Finished:
    """Counts the analyses that end after its creation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._before, self._began = self._count(), time.perf_counter()

    def per_second(self) -> float:
        return (self._count() - self._before) / (time.perf_counter() - self._began)

    def _count(self) -> int:
        over = Analysis.state.in_(("succeeded", "failed", "cancelled"))
        with self._engine.begin() as connection:
            return connection.scalar(select(func.count()).select_from(Analysis).where(over)) or 0


def measure(workers: int, options: argparse.Namespace) -> tuple[Load, int]:
    """Return the measurements, and the size of the response to a poll in bytes."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        database(options.postgres) as database_url,
    ):
        settings = Settings(data=Path(name), database_url=database_url)
        with running(
            *("-m", "narrows", "up", "--port", str(port), "--workers", str(workers)),
            NARROWS_DATA=name,
            NARROWS_DATABASE_URL=database_url,
            NARROWS_BROKER_URL=options.redis or "",
            NARROWS_SECRET=secrets.token_hex(16),
            NARROWS_SHARD_SAMPLES="4",
            NARROWS_LIMIT_ANALYSES="1000000",
            NARROWS_LIMIT_REQUESTS_PER_SECOND="1000000",
            OMP_NUM_THREADS="1",
        ):
            while not (settings.data / "api-key").exists():
                time.sleep(0.1)
            key = (settings.data / "api-key").read_text().strip()
            engine = make_engine(settings.resolved_database_url)
            with Client(url, key) as client:
                model, dataset = upload(client, settings.data)
                shard, computing = shard_rate(client, model, dataset)
                submissions = submit(url, key, model, dataset, options.analyses)
                last = client.analyses.create(model_id=model, dataset_id=dataset).id
                finished = Finished(engine)
                polls = poll(port, f"/v1/analyses/{last}", key, options.clients, options.seconds)
                meanwhile, finished = finished.per_second(), Finished(engine)
                time.sleep(options.seconds)
                alone = finished.per_second()
                size = len(json.dumps(client.analyses.retrieve(last).to_dict()))
            engine.dispose()
    return Load(
        workers=workers,
        submissions_per_second=submissions,
        polls=polls,
        shards_per_second=1 / shard,
        overhead_ms_per_shard=(shard * workers - computing) * 1000,
        analyses_per_second_meanwhile=meanwhile,
        analyses_per_second=alone,
    ), size


def show(loads: list[Load], bare: Polls) -> None:
    """Print the table for RESULTS.md."""
    print(f"| | {' | '.join(f'{load.workers} worker(s)' for load in loads)} | bare route |")
    print("| --- |" + " --- |" * (len(loads) + 1))
    rows: list[tuple[str, list[float], float | None]] = [
        ("submissions/s", [load.submissions_per_second for load in loads], None),
        ("polls/s", [load.polls.per_second for load in loads], bare.per_second),
        ("ms per poll, p50", [load.polls.p50_ms for load in loads], bare.p50_ms),
        ("ms per poll, p99", [load.polls.p99_ms for load in loads], bare.p99_ms),
        ("shards/s", [load.shards_per_second for load in loads], None),
        ("queue overhead, ms per shard", [load.overhead_ms_per_shard for load in loads], None),
        ("analyses/s during the polls", [x.analyses_per_second_meanwhile for x in loads], None),
        ("analyses/s without polls", [x.analyses_per_second for x in loads], None),
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
    parser.add_argument("--postgres", help="URL of a server, on which databases are created")
    parser.add_argument("--redis", help="URL of an empty Redis database")
    options = parser.parse_args()
    measured = [measure(workers, options) for workers in (1, 2)]
    loads, sizes = [load for load, _ in measured], [size for _, size in measured]
    bare = ceiling(sizes[-1], options.clients, options.seconds)
    if options.json:
        print(json.dumps({"loads": [asdict(load) for load in loads], "bare": asdict(bare)}))
    else:
        show(loads, bare)


if __name__ == "__main__":
    main()
