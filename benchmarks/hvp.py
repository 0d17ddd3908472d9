"""Time and memory of SOSP-H and SOSP-I, compared with a training gradient and double backward.

    python -m benchmarks.hvp [--json] [--batch 16] [--size 32] [--rounds 7]

For a residual and a plain network, it measures one batch of SOSP-H (gates on weights), one batch of
SOSP-I (gates on channels, the default), one training gradient (forward and backward over all
weights), and one Hessian-vector product over weights by double backward. All run in eval mode,
interleaved in one process; results are medians over rounds.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.networks import ResNet18, calibrate_norms, vgg11
from narrows.batch import Batch
from narrows.channels.groups import find_channels
from narrows.gates.gated_network import gate
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.losses import LOSSES
from narrows.methods.table import Method
from narrows.vocabulary import GateKind, MethodName
from worker.cli.export import export_module
from worker.formats import pt2

Work = Callable[[], object]


def batch_terms(module: nn.Module, x: Tensor, y: Tensor, name: MethodName, kind: GateKind) -> Work:
    """Return a function that measures the partial sums of one batch."""
    network = _read_back(module, x)
    channels = find_channels(network, trace_shapes(network))
    gated, method = gate(network, channels, kind), Method(name)
    return lambda: method.measure(gated, Batch((x,), y), LOSSES["cross_entropy"])


def gradient(module: nn.Module, x: Tensor, y: Tensor) -> Work:
    """Return a function that computes the gradient of the loss for all weights."""
    weights = list(module.parameters())
    return lambda: torch.autograd.grad(F.cross_entropy(module(x), y), weights)


def double_backward(module: nn.Module, x: Tensor, y: Tensor) -> Work:
    """Return a function that computes a Hessian-vector product for the weights of the layers."""
    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)][:-1]
    weights = [layer.weight for layer in layers]

    def product() -> object:
        loss = F.cross_entropy(module(x), y)
        g = torch.autograd.grad(loss, weights, create_graph=True)
        along = torch.stack([(a * w.detach()).sum() for a, w in zip(g, weights, strict=True)]).sum()
        return torch.autograd.grad(along, weights)

    return product


def _read_back(module: nn.Module, x: Tensor) -> Network:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        export_module(module, (x[:2],), path)
        return pt2.read(path)


def peak_bytes(work: Work) -> int:
    """Return the peak of the bytes that torch allocates during the work."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    held = peak = 0
    results: Any = recorded.profiler
    for event in results.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def measure(module: nn.Module, batch: int, size: int, rounds: int) -> dict[str, float]:
    """Return the medians of time and the peaks of memory, relative to one training gradient."""
    x, y = torch.randn(batch, 3, size, size), torch.randint(10, (batch,))
    works = {
        "sosp_h": batch_terms(module, x, y, "sosp_h", "weights"),
        "sosp_i": batch_terms(module, x, y, "sosp_i", "channel"),
        "gradient": gradient(module, x, y),
        "double_backward": double_backward(module, x, y),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for round_number in range(rounds + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            if round_number:  # the first warms up
                seconds[name].append(time.perf_counter() - began)

    def ratio(name: str) -> float:
        pairs = zip(seconds[name], seconds["gradient"], strict=True)
        return statistics.median(a / b for a, b in pairs)

    memory = {name: peak_bytes(work) for name, work in works.items()}
    return {
        "time_per_gradient": ratio("sosp_h"),
        "memory_per_gradient": memory["sosp_h"] / memory["gradient"],
        "sosp_i_time_per_gradient": ratio("sosp_i"),
        "sosp_i_memory_per_gradient": memory["sosp_i"] / memory["gradient"],
        "double_backward_per_gradient": ratio("double_backward"),
        "double_backward_memory_per_gradient": memory["double_backward"] / memory["gradient"],
        "gradient_seconds": statistics.median(seconds["gradient"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON list and nothing else")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=32, help="height and width of the images")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.manual_seed(0)
    rows = []
    for name, module in (("resnet18", ResNet18()), ("vgg11_bn", vgg11())):
        calibrate_norms(module, (3, options.size, options.size))
        measured = measure(module, options.batch, options.size, options.rounds)
        rows.append({"network": name, **{key: round(value, 3) for key, value in measured.items()}})
    if options.json:
        print(json.dumps(rows))
        return
    table = Table(title=f"Per training gradient ({options.batch} × 3 × {options.size}²)")
    works = ("SOSP-H", "SOSP-I", "double backward")
    for heading in ("network", *(h for work in works for h in (f"{work} time", "memory"))):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for row in rows:
        label, *ratios, _ = row.values()
        table.add_row(str(label), *(f"{value:.2f} ×" for value in ratios))
    Console().print(table)


if __name__ == "__main__":
    main()
