"""What a trial trains: a network with its channels, the data, and the options."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from narrows.arrays import Ints
from narrows.batch import Batch, target_input
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.evaluation.score import Score
from narrows.evaluation.sound_loss import require_sound_loss
from narrows.graph.network import Network
from narrows.graph.shapes import FREE_BATCH, Shapes, trace_shapes
from narrows.graph.trace_errors import summary
from narrows.isolated import isolated, on_device
from narrows.losses import CLASS_LOSSES, LOSSES, Loss
from narrows.targets import as_loss_takes
from narrows.trials.augment import require_augmentable
from narrows.trials.data import Split, TrialData, split
from narrows.trials.errors import TrialError
from narrows.trials.objective import Objective
from narrows.trials.options import TrialOptions
from narrows.trials.trainable import Trainable

PROBED = 16
"""The samples of the first try."""


@dataclass(frozen=True)
class TrialSubject:
    """A network that can be trained on these data; half precision has become single precision.

    `shapes` and `channels` are those of the network before any plan. `loss` is that of the options,
    or the user's own, which has no `loss_name`.
    """

    network: Network = field(repr=False)
    shapes: Shapes = field(repr=False)
    channels: Channels = field(repr=False)
    data: TrialData = field(repr=False)
    options: TrialOptions
    loss: Loss
    loss_name: str | None
    device: torch.device
    exclude: tuple[str, ...] = ()
    """The layers whose width stays as it is, as in an analysis."""

    @classmethod
    def prepare(
        cls,
        network: Network,
        data: TrialData,
        options: TrialOptions,
        *,
        loss: Loss | None = None,
        exclude: tuple[str, ...] = (),
        device: torch.device | None = None,
    ) -> "TrialSubject":
        """Return the subject, after a first try on some samples.

        Raises TrialError, or another ValueError with the reason, where the network can't be
        trained, where data, loss or recipe do not fit it, and where no layer can be widened.
        """
        network = network.in_single_precision()
        criterion, name = (loss, None) if loss else (LOSSES[options.loss], options.loss)
        home = device or torch.device("cpu")
        batch = network.fixed_batch or FREE_BATCH
        first = np.arange(min(len(data), batch))
        inputs, _ = data.arguments(first, takes_targets=criterion.by_program)
        if len(inputs) != len(network.inputs):
            raise TrialError(
                f"the network takes {len(network.inputs)} inputs, but the data have {len(inputs)} "
                "for it"
            )
        shapes = trace_shapes(network, [(batch, *x.shape[1:]) for x in inputs])
        channels = find_channels(network, shapes, exclude)
        if not len(channels):
            raise TrialError("no layer of the network can be widened, so there is nothing to try")
        subject = cls(network, shapes, channels, data, options, criterion, name, home, exclude)
        subject._require_batch_size()
        require_augmentable(inputs[0], options.recipe)
        if name and not criterion.by_program:
            outputs = shapes.of(network.outputs[0])
            as_loss_takes(torch.from_numpy(data.targets), outputs, network.precision, name)
        subject._try()
        return subject

    def split(self, seed: int) -> Split:
        """Return the samples that the seed trains on, and those that it holds out."""
        options = self.options
        return split(
            self.data.targets,
            options.holdout,
            seed,
            classes=self.loss_name in CLASS_LOSSES,
            most=options.max_samples,
        )

    def load(self, index: Ints) -> Batch:
        """Return some samples as a batch on the device, in the types that network and loss take."""
        given, targets = self.data.arguments(index, takes_targets=self.loss.by_program)
        own = target_input(given, targets)
        inputs = tuple(
            x.to(self.device, spec.dtype)
            for x, spec in zip(given, self.network.inputs, strict=True)
        )
        if own is not None:
            return Batch(inputs, inputs[own], target_input=own)
        if self.loss_name:
            integers = self.loss_name in CLASS_LOSSES
            targets = targets.to(torch.int64 if integers else self.network.precision)
        return Batch(inputs, targets.to(self.device))

    def score(self, network: Network, index: Ints) -> Score | None:
        """Return the network's score on some samples, in eval mode; None if none counts.

        A program for batches of one size leaves out those that fill no batch.
        """
        size = self.options.recipe.batch_size
        last = len(index) // size * size if network.fixed_batch else len(index)
        losses = []
        with torch.no_grad(), on_device(self.device):
            for start in range(0, last, size):
                batch = self.load(index[start : start + size])
                outputs = network(*batch.inputs)[0]
                value = self.loss(outputs, batch.targets).double().item()
                losses.append((value, self.loss.count(outputs, batch.targets)))
        return Score.of_batches(losses)

    @cached_property
    def trainable(self) -> Trainable:
        """The network in train mode: what is put back."""
        return Trainable.of(self.network)

    @property
    def objective(self) -> Objective:
        """What training minimizes."""
        return Objective(self.loss, self.options.recipe.label_smoothing)

    def _require_batch_size(self) -> None:
        fixed, asked = self.network.fixed_batch, self.options.recipe.batch_size
        if fixed is not None and fixed != asked:
            raise TrialError(
                f"the program takes batches of exactly {fixed} samples, but recipe.batch_size is "
                f"{asked}; ask for {fixed}, or export the network with a free batch"
            )

    def _try(self) -> None:
        """Run a batch in both modes; raise where network, data and loss do not fit."""
        train = self.split(0).train
        size = self.network.fixed_batch or min(PROBED, self.options.recipe.batch_size)
        if len(train) < size:
            raise TrialError(f"there are {len(train)} samples to train on, fewer than a batch")
        batch = self.load(train[:size])
        tensors = {name: t.to(self.device, copy=True) for name, t in self.network.tensors.items()}
        with isolated(self.device):
            require_sound_loss(self.network.to(self.device), batch, self.loss_name)
            try:
                for name in self.trainable.parameters:
                    tensors[name].requires_grad_()
                with on_device(self.device):
                    outputs = self.trainable(tensors, batch.inputs)
                    torch.autograd.backward(self.objective(outputs, batch.targets))
            except (RuntimeError, ValueError, IndexError, TypeError) as error:
                problem = f"the network can't be trained on these data: {summary(error)}"
                raise TrialError(problem) from error
