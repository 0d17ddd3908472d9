"""The entry point for notebooks: `trial(module, data)` returns a Trial."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.utils.data import Dataset

from narrows.analysis import Analysis
from narrows.analyze_module import analyze
from narrows.arguments import as_loss
from narrows.arrays import Ints
from narrows.batch import target_input
from narrows.calls import in_order, network_of
from narrows.graph.network import Network
from narrows.isolated import isolated
from narrows.loaded import BatchError, Loaded
from narrows.loader import Loader, as_batches
from narrows.losses import LOSSES, Loss, LossFunction
from narrows.options import AdviseOptions
from narrows.progress import reporting
from narrows.subject import home
from narrows.trials.data import TrialData
from narrows.trials.errors import TrialError
from narrows.trials.options import TrialOptions
from narrows.trials.result import RunResult, Trained
from narrows.trials.run import TrainingRun
from narrows.trials.subject import TrialSubject
from narrows.trials.trial import Trial
from narrows.trials.variants import variants
from narrows.vocabulary import ADVISE

AT_ONCE = 20
"""The steps between two looks at the clock."""


def trial(
    model: nn.Module | ExportedProgram,
    batches: Iterable[Any] | Dataset[Any],
    options: TrialOptions | None = None,
    *,
    analysis: Analysis | None = None,
    loss: str | Loss | LossFunction | None = None,
    progress: bool | Callable[[int, int | None], object] = True,
    **changes: Any,
) -> Trial:
    """Train what plans make of a network, and return what was gained.

    `batches` are as in `analyze`; all samples are kept in memory. `options`, or single ones as
    keywords in the shape of the API (`seeds=[0, 1]`, `recipe={"epochs": 10}`), say what is tried
    and how. The plans are those of `analysis`, or of a new one of the network with these samples.
    `loss` is a name, or a function (outputs, targets) → sum over the batch. `progress` shows
    a counter of steps, or is called with those done and of all.

    The network, the generators of random numbers and what torch is set to are left as they are.

    Raises ValueError, with what is allowed, for wrong options, for data that do not fit, and for a
    network that can't be trained.
    """
    named = {"loss": loss} if isinstance(loss, str) else {}
    options = _changed(options or TrialOptions(), changes | named)
    own_loss = None if loss is None or isinstance(loss, str) else as_loss(loss)
    by_program = own_loss is None and LOSSES[options.loss].by_program
    device, precision = home(model)
    loaded = list(Loader(as_batches(batches), device, precision))
    if not loaded:
        raise BatchError("there are no batches")
    with isolated(device):
        network = network_of(model, loaded[0], takes_targets=by_program).to(torch.device("cpu"))
        data = _joined(network, loaded, by_program)
        subject = TrialSubject.prepare(network, data, options, loss=own_loss, device=device)
    if analysis is None:
        analysis = analyze(
            model,
            [batch.pair for batch in loaded],
            loss=own_loss or options.loss,
            factors=options.custom_plans,
            progress=False,
        )
    return _run(subject, plans_of(analysis, options), analysis.rank, progress)


def _joined(network: Network, loaded: Sequence[Loaded], own: bool) -> TrialData:
    """Return the samples of all batches, in memory; `own`: the network returns its loss."""
    batches = [
        in_order(network, batch, f"batch {number}", takes_targets=own)
        for number, batch in enumerate(loaded, start=1)
    ]
    at = target_input(batches[0], loaded[0].targets) if own else None
    inputs = tuple(torch.cat(parts).cpu() for parts in zip(*batches, strict=True))
    targets = torch.cat([batch.targets for batch in loaded]).cpu()
    return TrialData.of_tensors(
        tuple(x for index, x in enumerate(inputs) if index != at), targets, at
    )


def plans_of(analysis: Analysis, options: TrialOptions) -> dict[str, Ints]:
    """Return how often each structure [S] exists in each plan of the options, by name.

    Raises TrialError for a plan that the analysis does not have.
    """
    found = {}
    for name in options.plan_names:
        if name == ADVISE:
            found[name] = analysis.advise(**vars(options.advise or AdviseOptions())).copies
        elif name in analysis.plans:
            found[name] = analysis.plans[name].copies
        else:
            raise TrialError(f"the analysis has no plan {name!r}")
    return found


def _run(
    subject: TrialSubject,
    plans: dict[str, Ints],
    rank: Ints,
    progress: bool | Callable[[int, int | None], object],
) -> Trial:
    options = subject.options
    chosen, left_out = variants(subject, plans, rank)
    results: list[RunResult] = []
    networks: dict[tuple[str, int], Trained] = {}
    began = time.monotonic()
    with reporting(progress, "step") as report:
        pairs = [(variant, seed) for seed in options.seeds for variant in chosen]
        for number, (variant, seed) in enumerate(pairs):
            run = TrainingRun.start(subject, variant, seed)
            while not run.done:
                run.advance(AT_ONCE)
                report(number * run.steps + run.step, len(pairs) * run.steps)
                limit = options.time_limit_seconds
                if limit is not None and time.monotonic() - began > limit:
                    raise TrialError(f"the trial took longer than its limit of {limit} s")
            results.append(run.result())
            if run.error is None:
                networks[variant.name, seed] = run.trained()
    return Trial(results, left_out, subject.trainable.put_back, networks)


def _changed(options: TrialOptions, changes: dict[str, Any]) -> TrialOptions:
    """Return the options with changes, in the shape of the API or as objects."""
    given: dict[str, Any] = {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in changes.items()
    }
    return TrialOptions.from_json({**options.to_json(), **given}) if given else options
