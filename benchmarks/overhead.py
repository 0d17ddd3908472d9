"""Service overhead: the time from the POST to the result, without the time of computing.

    python -m benchmarks.overhead [--json] [--rounds 5]

Runs the embedded service (API, worker, SQLite, folder broker) in a temporary folder and analyses a
small network on the digits repeatedly. Goal: a median below 2 seconds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from narrows.client import Client, UnreachableError
from worker.cli.export import export_module
from worker.demo.network import DigitsNet, digits

PORT = 8931


@contextmanager
def service(folder: Path) -> Iterator[Client]:
    environment = {**os.environ, "NARROWS_DATA": str(folder)}
    command = [sys.executable, "-m", "narrows", "up", "--port", str(PORT)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        key = folder / "api-key"
        while process.poll() is None and not key.exists():
            time.sleep(0.1)
        with Client(f"http://127.0.0.1:{PORT}", key.read_text().strip()) as client:
            yield client
    finally:
        process.terminate()
        process.wait()


def upload(client: Client, folder: Path) -> tuple[str, str]:
    """Upload network and data when the service answers; return both ids when they are ready."""
    x, y = digits()
    np.savez_compressed(folder / "digits.npz", x=x, y=y)
    torch.manual_seed(0)
    export_module(DigitsNet(), (torch.zeros(2, 1, 8, 8),), folder / "model.pt2")
    while True:
        try:
            model = client.models.upload(folder / "model.pt2")
            break
        except UnreachableError:
            time.sleep(0.1)
    dataset = client.datasets.upload(folder / "digits.npz", transform={"scale": 1 / 16})
    return client.models.wait(model.id).id, client.datasets.wait(dataset.id).id


def measure(client: Client, model: str, dataset: str, seed: int) -> tuple[float, float]:
    """Return the seconds from the POST to the result, and those of them spent on computing."""
    began = time.perf_counter()
    analysis = client.analyses.create(model_id=model, dataset_id=dataset, seed=seed).wait()
    took = time.perf_counter() - began
    provenance = analysis.provenance
    if provenance is None:
        raise SystemExit(f"The analysis is {analysis.state}: {analysis.error}")
    return took, float(provenance["compute_seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, service(Path(name)) as client:
        model, dataset = upload(client, Path(name))
        runs = [measure(client, model, dataset, seed) for seed in range(options.rounds)]
    result = {
        "total_seconds": statistics.median(total for total, _ in runs),
        "compute_seconds": statistics.median(compute for _, compute in runs),
        "overhead_seconds": statistics.median(total - compute for total, compute in runs),
    }
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in result.items()}))
    else:
        for name, value in result.items():
            print(f"{name.replace('_', ' '):>17}  {value:.2f}")


if __name__ == "__main__":
    main()
