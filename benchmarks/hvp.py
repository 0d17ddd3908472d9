"""Time and memory of SOSP-H and SOSP-I, compared with a training gradient and double backward.

    python -m benchmarks.hvp [--json] [--batch 4] [--size 224] [--rounds 3]
                             [--networks resnet18 bert …]

For eight networks, it measures one batch of SOSP-H (gates on weights), one batch of SOSP-I (gates
on channels, the default), one training gradient (forward and backward over all weights), and one
Hessian-vector product over weights by double backward. All run in eval mode, interleaved in one
process of one thread, since CPU time counts threads that wait, too; results are medians over rounds
of ratios of CPU time. By default each network has its own size: images have 224² pixels, and BERT
has BERT-Base's width and 128 tokens. At any other size BERT has width 64 and 16 tokens. The process
keeps freed memory, as a worker's child does.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.hvp_networks import OWN_SIZE, SUBJECTS, Subject
from benchmarks.interleaved import Work, memory_ratios, time_ratios
from narrows.batch import Batch
from narrows.channels.groups import find_channels
from narrows.gates.gated_network import gate
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.losses import LOSSES
from narrows.methods.table import Method
from narrows.vocabulary import GateKind, MethodName
from service import freed_memory
from worker.cli.export import export_module
from worker.formats import pt2


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
        with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
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


def measure(subject: Subject, rounds: int) -> dict[str, float]:
    """Return the medians of time and the peaks of memory, relative to one training gradient."""
    module, x, y = subject.module, subject.x, subject.y
    works = {
        "sosp_h": batch_terms(module, x, y, "sosp_h", "weights"),
        "sosp_i": batch_terms(module, x, y, "sosp_i", "channel"),
        "gradient": gradient(module, x, y),
        "double_backward": double_backward(module, x, y),
    }
    began = time.process_time()
    works["gradient"]()
    seconds = time.process_time() - began
    times, memory = time_ratios(works, "gradient", rounds), memory_ratios(works, "gradient")
    return {
        "time_per_gradient": times["sosp_h"],
        "memory_per_gradient": memory["sosp_h"],
        "sosp_i_time_per_gradient": times["sosp_i"],
        "sosp_i_memory_per_gradient": memory["sosp_i"],
        "double_backward_per_gradient": times["double_backward"],
        "double_backward_memory_per_gradient": memory["double_backward"],
        "gradient_seconds": seconds,
    }


def options_of(description: str) -> argparse.Namespace:
    """Return the options of the command line, and prepare this process for measuring."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON list and nothing else")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=OWN_SIZE, help="height and width of the images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    torch.set_num_threads(1)
    freed_memory.keep()
    return parser.parse_args()


def main() -> None:
    options = options_of(__doc__)
    rows: list[dict[str, Any]] = []
    for name in options.networks:
        torch.manual_seed(0)
        measured = measure(SUBJECTS[name](options.batch, options.size), options.rounds)
        rows.append({"network": name, **{key: round(value, 3) for key, value in measured.items()}})
    if options.json:
        print(json.dumps(rows))
        return
    table = Table(title=f"Per training gradient (batches of {options.batch})")
    works = ("SOSP-H", "SOSP-I", "double backward")
    for heading in ("network", *(h for work in works for h in (f"{work} time", "memory"))):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for row in rows:
        label, *ratios, _ = row.values()
        table.add_row(str(label), *(f"{value:.2f} ×" for value in ratios))
    Console().print(table)


if __name__ == "__main__":
    main()
