"""The worker's pipeline on a GPU and on the CPU: deviation of saliencies, time and memory.

    python -m benchmarks.gpu [--devices cuda,cpu] [--size 224] [--samples 256] [--json]

Plans, computes and reduces an analysis of a residual network at 224 × 224, once on each device,
each in its own process. Goal: saliencies differ by at most 1e-3 of the largest, with TF32 off.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.networks import ResNet18, calibrate_norms
from service.analyses.request import AnalysisRequest
from worker.cli.export import export_module
from worker.pipeline import steps

METHODS = (("sosp_h", "weights"), ("sosp_i", "channel"))
GOAL = 1e-3


def write_inputs(folder: Path, size: int, samples: int) -> tuple[str, str]:
    """Write a network and random images; return their paths."""
    torch.manual_seed(0)
    module = ResNet18(large=True)
    calibrate_norms(module, (3, size, size))
    export_module(module, (torch.zeros(2, 3, size, size),), folder / "model.pt2")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, 3, size, size), np.float32)
    np.savez(folder / "data.npz", x=x, y=rng.integers(0, 10, samples))
    return str(folder / "model.pt2"), str(folder / "data.npz")


def analyze(device: str, method: str, gate: str, model: str, data: str) -> dict[str, Any]:
    """Run an analysis as a worker does; in a new process, since settings are read once."""
    os.environ["NARROWS_DEVICE"] = device
    validated = AnalysisRequest.model_validate(
        {"model_id": "m", "dataset_id": "d", "method": method, "gate": gate, "plans": []}
    )
    request = validated.model_dump(mode="json")
    began = time.perf_counter()
    parts = [
        steps.shard(model, data, {}, request, start, stop)
        for start, stop in steps.plan(model, data, {}, request)["shards"]
    ]
    seconds = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        result = steps.reduce(model, data, {}, request, parts, folder)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "device": result["provenance"]["devices"][0],
        "seconds": seconds,
        "bytes": torch.cuda.max_memory_allocated() if device == "cuda" else used,
        "first": [row["first_order"] for row in result["structures"]],
        "second": [row["second_order"] for row in result["structures"]],
        "loss": result["summary"]["loss"],
    }


def deviation(ours: list[float], theirs: list[float]) -> float:
    """Return the largest difference relative to the largest value of `theirs`."""
    a, b = np.array(ours), np.array(theirs)
    return float(np.abs(a - b).max() / np.abs(b).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", default="cuda,cpu", help="the last is the reference")
    parser.add_argument("--size", type=int, default=224, help="height and width of the images")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--json", action="store_true", help="print one JSON list and nothing else")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = write_inputs(Path(folder), options.size, options.samples)
        for method, gate in METHODS:
            results = []
            for device in options.devices.split(","):
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    results.append(pool.apply(analyze, (device, method, gate, *files)))
            reference = results[-1]
            for result in results:
                terms = {n: deviation(result[n], reference[n]) for n in ("first", "second")}
                rows.append({**result, "method": f"{method}/{gate}", **terms})
    if options.json:
        print(json.dumps(rows))
        return
    table = Table(
        *("method", "device", "samples/s", "memory", "θ_s·g", "θ_s·(Hθ)"),
        title=f"{options.samples} images of {options.size}², goal {GOAL:g} of the largest",
    )
    for row in rows:
        rate, memory = options.samples / row["seconds"], row["bytes"] / 2**30
        errors = (f"{row[name]:.1e}" for name in ("first", "second"))
        table.add_row(row["method"], row["device"], f"{rate:.1f}", f"{memory:.2f} GiB", *errors)
    Console().print(table)


if __name__ == "__main__":
    main()
