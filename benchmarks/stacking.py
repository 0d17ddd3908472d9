"""Training steps of several seeds at once, compared with one seed after the other.

    python -m benchmarks.stacking --seeds 8

Both kinds of step run in turn, on one thread; the table has the medians of the processor's time.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from rich.table import Table
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_, stack_module_state

from benchmarks.architecture import CLASSES, SIDE, Architecture
from benchmarks.gain_architectures import build
from benchmarks.options import CONSOLE
from benchmarks.samples_last import put_samples_last

NETWORKS = (
    Architecture("plain", (6, 6, 6, 6, 6, 6)),
    Architecture("plain", (5, 5, 5, 5, 5), "gelu", kernel=5),
    Architecture("residual", (6, 6, 6, 6, 6, 6)),
    Architecture("separable", (10, 10, 10, 10, 10, 10)),
    Architecture("mlp", (12, 12, 12, 12, 12)),
    Architecture("transformer", (12, 3, 16, 3, 16), "gelu"),
)
BATCH, ROUNDS = 128, 15
Step = Callable[[], None]


def alone(architecture: Architecture) -> Step:
    """Return a step of one network in the usual layout."""
    network = build(architecture)
    return _step(network.parameters(), network, _images(), _classes())


def stacked(architecture: Architecture, seeds: int, *, samples_last: bool) -> Step:
    """Return a step of several networks at once."""
    networks = [replace_all_batch_norm_modules_(build(architecture)) for _ in range(seeds)]
    state, _ = stack_module_state(networks)
    parameters = {name: values.detach().requires_grad_() for name, values in state.items()}
    skeleton = put_samples_last(build(architecture)) if samples_last else networks[0]

    def forward(values: dict[str, Tensor], images: Tensor) -> Tensor:
        logits: Tensor = functional_call(skeleton, values, (images,))
        return logits

    def logits(images: Tensor) -> Tensor:
        return torch.vmap(forward)(parameters, images).flatten(0, 1)

    return _step(parameters.values(), logits, _images(seeds), _classes(seeds))


def _step(
    parameters: Iterable[Tensor],
    logits: Callable[[Tensor], Tensor] | nn.Module,
    images: Tensor,
    classes: Tensor,
) -> Step:
    optimizer = torch.optim.AdamW(parameters, foreach=True)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(logits(images), classes))
        optimizer.step()

    return step


def _images(*seeds: int) -> Tensor:
    return torch.rand(*seeds, BATCH, 1, SIDE, SIDE)


def _classes(seeds: int = 1) -> Tensor:
    return torch.randint(CLASSES, (seeds * BATCH,))


def seconds(step: Step) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, metavar="N")
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    table = Table("network", "alone, ms", "vmap, usual layout", "vmap, samples last")
    for architecture in NETWORKS:
        usual, last = (
            partial(stacked, architecture, seeds, samples_last=way)() for way in (False, True)
        )
        steps = (alone(architecture), usual, last)
        times = np.array([[seconds(step) for step in steps] for _ in range(ROUNDS)])[2:]
        own, *together = np.median(times, axis=0)
        faster = (f"{own * seeds / other:.1f} × faster" for other in together)
        name = f"{architecture.kind} {architecture.kernel} {architecture.widths}"
        table.add_row(name, f"{1000 * own:.2f}", *faster)
    CONSOLE.print(f"Steps of {seeds} seeds at once, compared with one seed after the other.")
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
