"""Evaluates networks on some of an analysis' own samples."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import torch

from narrows.batch import Batch
from narrows.evaluation.baseline import Baseline
from narrows.evaluation.removals import Effect
from narrows.evaluation.score import Score
from narrows.graph.network import Network
from narrows.isolated import isolated
from narrows.losses import Count, Loss

EVALUATED = 512
"""The most samples that networks are evaluated on."""
UNCHANGED = 1e-6
"""The relative change of a loss that is rounding."""


class Evaluation:
    """The first samples of an analysis, at most `EVALUATED`, and the loss that scores them.

    `network` is the one that is analysed. `batches` returns the samples anew each time, so that
    they need not stay in memory. `constant` is the best constant answer for all of the analysis'
    targets; where there is no such thing, samples get the targets of others.

    >>> from narrows.example import one_sample, two_neurons
    >>> from narrows.losses import LOSSES
    >>> network, _, _ = two_neurons()
    >>> evaluation = Evaluation(network, lambda: iter([one_sample()]), LOSSES["mse"])
    >>> evaluation.before  # (3 − 2)²
    Score(loss=1.0, accuracy=None)
    """

    def __init__(
        self,
        network: Network,
        batches: Callable[[], Iterable[Batch]],
        loss: Loss,
        constant: Baseline | None = None,
    ) -> None:
        self._network, self._batches, self.loss = network, batches, loss
        self._constant = constant

    @cached_property
    def before(self) -> Score | None:
        """The score of the network that is analysed; None if no sample counts."""
        return self._score(self._network, self._batches())

    @cached_property
    def baseline(self) -> Baseline | None:
        """What an answer gets that ignores the input; None where that can't be told."""
        if self._constant or not self.before:
            return self._constant
        loss, others = self.before.loss, self._score(self._network, self._with_other_targets())
        if others is None or abs(loss - others.loss) <= UNCHANGED * abs(loss):
            return None  # the loss does not depend on the targets
        return Baseline(others, "shuffled")

    def effect(self, network: Network) -> Effect | None:
        """Return the scores before and after a change of the network; None if no sample counts."""
        before, after = self.before, self._score(network, self._batches())
        return Effect(before, after, self.baseline) if before and after else None

    def _score(self, network: Network, batches: Iterable[Batch]) -> Score | None:
        return Score.of_batches(self._losses(network, batches))

    def _losses(self, network: Network, batches: Iterable[Batch]) -> Iterator[tuple[float, Count]]:
        """Yield each batch's sum of the loss and its count; all are on one device."""
        on_device: Network | None = None
        for batch in batches:
            device = batch.targets.device
            on_device = on_device or network.to(device)
            with isolated(device), torch.no_grad(), device:
                outputs = on_device(*batch.inputs)[0]
                value = self.loss(outputs, batch.targets).double().item()
                count = self.loss.count(outputs, batch.targets)
            yield value, count

    def _with_other_targets(self) -> Iterator[Batch]:
        for batch in self._batches():
            yield batch.with_targets(batch.targets.roll(max(1, len(batch) // 2), 0))
