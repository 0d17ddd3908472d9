"""Collects from the batches of an analysis what evaluating it needs: first samples, all targets."""

import torch

from narrows.batch import Batch
from narrows.evaluation.baseline import Targets
from narrows.evaluation.evaluation import EVALUATED, Evaluation
from narrows.evaluation.independence import require_independent_samples
from narrows.evaluation.log_probabilities import require_log_probabilities
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes
from narrows.losses import Loss


class Collector:
    """Keeps the first batches, of at most `EVALUATED` samples, and counts all targets.

    `loss` is the name of the loss, None for a function of the user's own.
    """

    def __init__(self, network: Network, loss: str | None) -> None:
        self._network, self._loss = network, loss
        self._targets = Targets(loss or "")
        self._first: list[Batch] = []
        self._samples = 0
        self._is_checked = False

    def add(self, batch: Batch) -> None:
        """Take a batch.

        Raises ValueError if its samples influence each other, if the program's loss is no mean, and
        for `nll` if the outputs are no log-probabilities.
        """
        if not self._is_checked and len(batch) > 1:
            require_independent_samples(self._network, batch, scalar=self._loss == "model")
            self._is_checked = True
        if self._loss == "nll" and not self._first:
            with torch.no_grad():
                outputs = self._network(*batch.inputs)[0]
            require_log_probabilities(outputs, batch.targets)
        self._targets.add(batch.targets)
        self._samples += len(batch)
        if not self._first or self._samples <= EVALUATED:
            self._first.append(batch)

    def evaluation(self, shapes: Shapes, loss: Loss) -> Evaluation:
        """Return the evaluation on the first samples, held against the best constant answer."""
        constant = self._targets.baseline(shapes.of(self._network.outputs[0]))
        return Evaluation(self._network, lambda: self._first, loss, constant)
