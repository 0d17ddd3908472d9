"""Trials of small networks, and training as a plain loop of torch."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from narrows.graph.from_export import as_network
from narrows.trials.data import TrialData, batches_of_epoch
from narrows.trials.options import TrialOptions
from narrows.trials.schedule import learning_rate
from narrows.trials.seeds import Stream, seed_of
from narrows.trials.subject import TrialSubject
from narrows.trials.variants import Variant, variants


def classes_of(inputs: Tensor, count: int) -> Tensor:
    """Return class numbers that depend on the inputs, [N]."""
    return inputs.double().flatten(1).sum(1).mul(7).long().remainder(count)


def classes_second(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return outputs with the classes in the second dimension, as torch's losses take them."""
    return outputs if outputs.shape[2:] == targets.shape[1:] else outputs.movedim(-1, 1)


Inputs = Tensor | tuple[Tensor, ...]


def subject_of(
    model: nn.Module | ExportedProgram, inputs: Inputs, targets: Tensor, **request: Any
) -> TrialSubject:
    """Return the subject of a trial with the options of `request`."""
    network = as_network(model, tuple(x[:2] for x in several(inputs)))
    data = TrialData.of_tensors(inputs, targets)
    return TrialSubject.prepare(network, data, TrialOptions.from_json(request))


def several(inputs: Inputs) -> tuple[Tensor, ...]:
    return inputs if isinstance(inputs, tuple) else (inputs,)


def original(subject: TrialSubject) -> Variant:
    """Return the variant with the network's own widths."""
    copies = torch.ones(len(subject.channels), dtype=torch.int64).numpy()
    return variants(subject, {"any": 2 * copies})[0][0]


def train_plainly(
    module: nn.Module, inputs: Inputs, targets: Tensor, subject: TrialSubject, seed: int
) -> list[float]:
    """Train a module in train mode by torch alone; return the loss of each step.

    Only the order of the samples and the seeds of dropout are those of the trial.
    """
    recipe, train = subject.options.recipe, subject.split(seed).train
    if recipe.optimizer == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            module.parameters(),
            lr=1.0,
            momentum=recipe.momentum or 0.0,
            weight_decay=recipe.weight_decay,
        )
    else:
        optimizer = torch.optim.AdamW(module.parameters(), lr=1.0, weight_decay=recipe.weight_decay)
    module.train()
    assert recipe.steps is not None
    losses = []
    for step in range(recipe.steps):
        per_epoch = len(train) // recipe.batch_size
        epoch, index = divmod(step, per_epoch)
        batch = batches_of_epoch(train, recipe.batch_size, seed, epoch)[index]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, recipe.learning_rate, step, recipe.steps)
        with torch.random.fork_rng():
            torch.manual_seed(seed_of(seed, Stream.DROPOUT, step))
            outputs = module(*(x[batch] for x in several(inputs)))
        loss = nn.functional.cross_entropy(
            classes_second(outputs, targets),
            targets[batch],
            label_smoothing=recipe.label_smoothing,
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses
