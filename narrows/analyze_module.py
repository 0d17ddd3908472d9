"""The entry point for notebooks: `analyze(module, batches)` returns an Analysis."""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping

from torch import Tensor, nn
from torch.export import ExportedProgram

from narrows.analysis import Analysis
from narrows.batch import Batch, batch_seed
from narrows.channels.groups import find_channels
from narrows.gates.gated_network import gate as place_gates
from narrows.graph.from_export import as_network
from narrows.graph.shapes import trace_shapes
from narrows.losses import LOSSES, Loss, LossFunction
from narrows.methods.partial_sums import PartialSums
from narrows.methods.table import Method
from narrows.vocabulary import CostKind, Curvature, GateKind, MethodName

RESAMPLED = 32
"""The most samples in a batch of the jackknife; larger batches are split."""


def analyze(
    model: nn.Module | ExportedProgram,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    method: MethodName | None = None,
    gate: GateKind = "channel",
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
    The network is analysed in eval mode and on the device of its weights. `progress` shows a
    counter on standard error, or is called with the number of batches done and of all, if known.

    `method` is by default `sosp_i`, or `sosp_h` if the loss is a function of your own or the
    program's. `gate` says what the removal of a channel sets to zero (`vocabulary.GateKind`).
    `loss` is a name of `losses.LOSSES` or a function (outputs, targets) → sum over the batch.

    Raises ValueError where no layer can be pruned, where there are no batches, and for an operator
    that Narrows does not know.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> batch = torch.randn(16, 4), torch.randint(2, (16,))
    >>> analysis = analyze(net, [batch], progress=False)
    >>> [(layer["name"], layer["width"], layer["reason"]) for layer in analysis.layers]
    [('0', 8, None), ('2', 2, "Its channels can't be pruned: they are the network's outputs.")]
    """
    function = _loss(loss)
    criterion = Method(method or ("sosp_i" if function.draw else "sosp_h"), curvature, blocks)
    report = progress if callable(progress) else _counter(shown=progress)
    total = len(batches) if hasattr(batches, "__len__") else None  # type: ignore[arg-type]
    rows: list[PartialSums] = []
    samples = 0
    for number, (inputs, targets) in enumerate(batches, start=1):
        arguments = (inputs, targets) if loss == "model" else (inputs,)
        if not rows:
            network = as_network(model, arguments)
            shapes = trace_shapes(network, [(2, *x.shape[1:]) for x in arguments])
            channels = find_channels(network, shapes, exclude)
            if not len(channels):
                raise ValueError("no layer of the network can be pruned")
            gated = place_gates(network, channels, gate, shapes)
        batch = Batch(arguments, targets, batch_seed(seed, samples))
        rows += [criterion.measure(gated, part, function) for part in batch.split(RESAMPLED)]
        samples += len(batch)
        report(number, total)
    if not rows:
        raise ValueError("there are no batches")
    return Analysis(
        network,
        shapes,
        channels,
        PartialSums.stack(rows),
        criterion,
        pruning_ratio,
        cost,
        seed,
        factors or {},
    )


def _loss(loss: str | Loss | LossFunction) -> Loss:
    if isinstance(loss, str):
        return LOSSES[loss]
    return loss if isinstance(loss, Loss) else Loss(loss)


def _counter(*, shown: bool) -> Callable[[int, int | None], None]:
    def show(done: int, total: int | None) -> None:
        if shown:
            end = "\n" if done == total else ""
            sys.stderr.write(f"\rbatch {done}" + (f" of {total}" if total else "") + end)
            sys.stderr.flush()

    return show
