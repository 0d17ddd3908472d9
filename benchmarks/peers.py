"""Narrows beside its peers: what one batch costs, in training gradients, in one interleaved run.

    python -m benchmarks.peers [--json] [--batch 4] [--size 224] [--rounds 3]
                               [--networks resnet18 bert …]

The networks and options are those of `benchmarks.hvp`. It needs `pip install torch-pruning
curvlinops-for-pytorch`. Measured are SOSP-H, SOSP-I (the default), a Hessian-vector product over
weights by double backward, the one of curvlinops, and Torch-Pruning's Taylor criterion: a gradient,
and its importance of every group; its graph is built before. A peer that fails on a network has the
name of the error in place of a number.
"""

import json
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import nn

from benchmarks.hvp import batch_terms, double_backward, gradient, options_of
from benchmarks.hvp_networks import SUBJECTS, Subject
from benchmarks.interleaved import Work, time_ratios


def curvlinops_product(subject: Subject) -> Work:
    """Return a function that computes curvlinops' product of the Hessian with the weights."""
    from curvlinops import HessianLinearOperator

    weights = list(subject.module.parameters())
    hessian = HessianLinearOperator(
        subject.module,
        nn.CrossEntropyLoss(),
        weights,
        [(subject.x, subject.y)],
        check_deterministic=False,
    )
    vector = [weight.detach().clone() for weight in weights]
    return lambda: hessian @ vector


def taylor(subject: Subject) -> Work:
    """Return a function that computes Torch-Pruning's importance of every group of channels."""
    import torch_pruning

    module, x, y = subject.module, subject.x, subject.y
    graph = torch_pruning.DependencyGraph().build_dependency(module, example_inputs=x[:2])
    layers = [nn.Conv2d, nn.Linear]
    groups = list(graph.get_all_groups(root_module_types=layers))
    importance = torch_pruning.importance.GroupTaylorImportance()

    def criterion() -> object:
        module.zero_grad()
        torch.autograd.backward(F.cross_entropy(module(x), y))
        return [importance(group) for group in groups]

    return criterion


def compare(subject: Subject, rounds: int) -> dict[str, Any]:
    """Return the time of each work in training gradients, or the name of the error it ends with."""
    module, x, y = subject.module, subject.x, subject.y
    makers: dict[str, Any] = {
        "gradient": lambda: gradient(module, x, y),
        "sosp_h": lambda: batch_terms(module, x, y, "sosp_h", "weights"),
        "default": lambda: batch_terms(module, x, y, "sosp_i", "channel"),
        "double_backward": lambda: double_backward(module, x, y),
        "curvlinops_hessian": lambda: curvlinops_product(subject),
        "torch_pruning_taylor": lambda: taylor(subject),
    }
    works: dict[str, Work] = {}
    failed: dict[str, str] = {}
    for name, make in makers.items():
        try:
            work = make()
            work()
        except Exception as error:  # whatever a peer raises is its result
            if name in ("gradient", "sosp_h", "default"):
                raise
            failed[name] = type(error).__name__
        else:
            works[name] = work
    measured: dict[str, Any] = time_ratios(works, "gradient", rounds)
    return {name: round(measured[name], 3) if name in works else failed[name] for name in makers}


def main() -> None:
    options = options_of(__doc__)
    rows = []
    for name in options.networks:
        torch.manual_seed(0)
        subject = SUBJECTS[name](options.batch, options.size)
        rows.append({"network": name, **compare(subject, options.rounds)})
    if options.json:
        print(json.dumps(rows))
        return
    table = Table(title=f"CPU time in training gradients (batches of {options.batch})")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for row in rows:
        best = min(value for value in list(row.values())[2:] if isinstance(value, float))
        table.add_row(*(f"[bold]{cell}[/]" if cell == best else str(cell) for cell in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
