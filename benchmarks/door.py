"""The door: what it costs to read an upload and to find its channel groups.

    python -m benchmarks.door [--json]

Each archive is read in a process of its own, after a small one: at the first, torch loads parts of
itself. Seconds are of the CPU, with one thread, the least of two rounds. Memory is the peak beyond
that of the small archive, relative to the file. Goals: a ViT-B in 5 s and 1.3 files, 1,000 nodes in
2 s.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.channels.groups import find_channels
from narrows.export_module import export_module
from narrows.graph.shapes import trace_shapes
from worker.formats import pt2


class Block(nn.Module):
    """A block of a vision transformer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(2)
        heads = (part.transpose(1, 2) for part in (q, k, v))
        attended = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        x = x + self.out(attended)
        result: Tensor = x + self.down(F.gelu(self.up(self.norm2(x))))
        return result


class ViT(nn.Module):
    """A vision transformer for patches that are embedded already: ViT-B without its stem."""

    def __init__(self, width: int = 768, blocks: int = 12) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, width // 64) for _ in range(blocks)))
        self.head = nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(x).mean(1))
        return logits


class Chain(nn.Module):
    """Residual blocks of four nodes each; with `dense`, every block joins its input instead."""

    def __init__(self, blocks: int = 250, width: int = 32, *, dense: int = 0) -> None:
        super().__init__()
        widths = [width + dense * i for i in range(blocks + 1)]
        self.dense = bool(dense)
        self.stem = nn.Conv2d(3, width, 3)
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths[:-1])
        self.convs = nn.ModuleList(nn.Conv2d(w, dense or width, 1) for w in widths[:-1])
        self.head = nn.Linear(widths[-1], 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = F.relu(conv(norm(x)))
            x = torch.cat([x, y], 1) if self.dense else x + y
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


IMAGE, PATCHES = (2, 3, 8, 8), (2, 196, 768)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "ViT-B": (ViT, PATCHES),
    "1,000 nodes, residual": (Chain, IMAGE),
    "1,000 nodes, dense": (lambda: Chain(dense=4), IMAGE),
    "1 GB of weights": (lambda: ViT(blocks=38), PATCHES),
}


def measure(path: str, small: str) -> dict[str, Any]:
    """Return the nodes, the CPU seconds of both rounds, and the memory relative to the file."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    pt2.read(Path(small))
    base = _peak()
    pt2.read(Path(path))
    peak = _peak()
    rounds = []
    for _ in range(2):
        began = time.process_time()
        network = pt2.read(Path(path)).in_single_precision()
        read = time.process_time() - began
        find_channels(network, trace_shapes(network))
        rounds.append((read, time.process_time() - began - read))
    size = Path(path).stat().st_size
    return {
        "nodes": len(network.nodes),
        "megabytes": size / 1e6,
        "read_seconds": min(read for read, _ in rounds),
        "groups_seconds": min(groups for _, groups in rounds),
        "memory_in_files": (peak - base) / size,
    }


def _peak() -> int:
    """Return the largest memory so far in bytes; `ru_maxrss` would count the parent's, too."""
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return int(line.split()[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    options = parser.parse_args()
    found = {}
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="narrows-door-") as folder:
        small, path = Path(folder, "small.pt2"), Path(folder, "network.pt2")
        export_module(Chain(1), (torch.zeros(IMAGE),), small)
        for name, (make, shape) in NETWORKS.items():
            export_module(make(), (torch.zeros(shape),), path)
            with context.Pool(1) as pool:
                found[name] = pool.apply(measure, (str(path), str(small)))
            if not options.json:
                print(
                    f"{name:>22}  " + "  ".join(f"{k} {v:.2f}" for k, v in found[name].items()),
                    flush=True,
                )
    if options.json:
        rounded = {name: {k: round(v, 3) for k, v in of.items()} for name, of in found.items()}
        print(json.dumps(rounded))


if __name__ == "__main__":
    main()
