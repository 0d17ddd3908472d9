"""The entry point for notebooks: `analyze(module, batches)` returns an Analysis."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn
from torch.export import ExportedProgram
from torch.utils.data import Dataset

from narrows.analysis import Analysis
from narrows.arguments import (
    ArgumentError,
    as_loss,
    as_method,
    as_rule,
    require_cost,
    require_factors,
    require_gate,
    require_names,
    require_ratio,
    require_seed,
)
from narrows.batch import batch_seed
from narrows.calls import in_order, network_of
from narrows.evaluation.collector import Collector
from narrows.isolated import isolated
from narrows.loaded import BatchError
from narrows.loader import Loader, as_batches
from narrows.losses import Loss, LossFunction
from narrows.methods.partial_sums import PartialSums
from narrows.methods.ranking import require_measured
from narrows.progress import reporting
from narrows.subject import Subject, home
from narrows.vocabulary import CostKind, Curvature, GateKind, MethodName, RuleName


def analyze(
    model: nn.Module | ExportedProgram,
    batches: Iterable[Any] | Dataset[Any],
    *,
    method: MethodName | None = None,
    gate: GateKind = "channel",
    rule: RuleName | None = None,
    loss: str | Loss | LossFunction = "cross_entropy",
    pruning_ratio: float = 0.5,
    cost: CostKind = "structures",
    exclude: Collection[str] = (),
    factors: Mapping[str, Mapping[str, float]] | None = None,
    curvature: Curvature = "sampled",
    blocks: int | None = None,
    seed: int = 0,
    progress: bool | Callable[[int, int | None], object] = True,
) -> Analysis:
    """Return the analysis of a network: the saliencies of its structures, verdicts and plans.

    `batches` yields (inputs, targets) pairs, [batch, …] each; each passes through the network once.
    Several inputs are a tuple, or a dictionary by name; a batch may also be one dictionary with the
    targets in it, under `y`, `labels`, `label`, `targets` or `target`. With the loss `model` the
    network takes the targets too, as its input `y` or its last.
    The network is analysed in eval mode and on the device of its weights. `progress` shows a
    counter on standard error, or is called with the number of batches done and of all, if known.

    `method` is by default `sosp_i`, or `sosp_h` if the loss is a function of your own or the
    program's. `gate` says what the removal of a channel sets to zero (`vocabulary.GateKind`).
    `rule` says what verdicts rest on: `worth`, the default where the method measures it, or
    `pruning_ratio`. `loss` is a name of `losses.LOSSES` or a function (outputs, targets) → sum over
    the batch.

    `batches` may also be a Dataset, or yield numpy arrays. The network, the generators of random
    numbers and what torch is set to are left as they are. Data parallel and compiled networks are
    analysed as the network within.

    Raises ValueError, with what is allowed, for wrong arguments, for batches that do not fit, where
    no layer can be pruned, and where torch.export can't follow the network.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> batch = torch.randn(16, 4), torch.randint(2, (16,))
    >>> analysis = analyze(net, [batch], progress=False)
    >>> [(layer["name"], layer["width"], layer["reason"]) for layer in analysis.layers]
    [('0', 8, None), ('2', 2, "Its channels can't be pruned: they are the network's outputs.")]
    """
    function = as_loss(loss)
    criterion = as_method(method, function, curvature, blocks)
    judged_by = as_rule(rule, criterion.name)
    _require_arguments(gate, pruning_ratio, cost, exclude, factors, seed, progress)
    criterion = replace(criterion, seed=seed)
    device, precision = home(model)
    loader = Loader(as_batches(batches), device, precision)
    rows: list[PartialSums] = []
    samples = 0
    with isolated(device), reporting(progress) as report:
        for number, loaded in enumerate(loader, start=1):
            which, targets = f"batch {number}", loaded.targets
            if not rows:
                network = network_of(model, loaded, takes_targets=loss == "model")
            inputs = in_order(network, loaded, which, takes_targets=loss == "model")
            if not rows:
                subject = Subject.prepare(
                    network,
                    inputs,
                    targets,
                    loss=loss,
                    gate=gate,
                    exclude=exclude,
                    factors=factors,
                )
                collector = Collector(subject.network, subject.loss)
            seeded = batch_seed(seed, samples)
            parts = subject.batches(inputs, targets, seeded, which)
            for part in parts:
                collector.add(part)
                rows.append(_finite(criterion.measure(subject.gated, part, function), number))
            samples += len(targets)
            report(number, loader.total)
    if not rows:
        raise BatchError("there are no batches")
    analysis = Analysis(
        subject.network,
        subject.shapes,
        subject.channels,
        PartialSums.stack(rows),
        criterion,
        judged_by,
        pruning_ratio,
        cost,
        seed,
        factors or {},
        collector.evaluation(subject.shapes, function),
        device,
        gate,
    )
    require_measured(analysis.order)
    return analysis


def _require_arguments(
    gate: object,
    pruning_ratio: object,
    cost: object,
    exclude: object,
    factors: object,
    seed: object,
    progress: object,
) -> None:
    require_gate(gate)
    require_ratio("pruning_ratio", pruning_ratio)
    require_cost(cost)
    require_names(exclude)
    require_factors({} if factors is None else factors)
    require_seed(seed)
    if not isinstance(progress, bool) and not callable(progress):
        raise ArgumentError(f"progress is {progress!r}; it must be True, False or a function")


def _finite(row: PartialSums, number: int) -> PartialSums:
    if row.are_finite():
        return row
    raise BatchError(
        f"batch {number} gave the loss {row.loss[0]} or a derivative that is NaN or infinite. "
        "Check that the weights are finite and that the data is preprocessed as in training."
    )
