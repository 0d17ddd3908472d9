"""Collects from the batches of an analysis what evaluating it needs: first samples, all targets."""

from narrows.batch import Batch
from narrows.evaluation.baseline import Targets
from narrows.evaluation.evaluation import EVALUATED, Evaluation
from narrows.evaluation.sound_loss import require_sound_loss
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
        """Take a batch; raise ValueError unless its loss is sound (`require_sound_loss`)."""
        if not self._is_checked:
            require_sound_loss(self._network, batch, self._loss)
            self._is_checked = len(batch) > 1  # a single sample has none that could influence it
        self._targets.add(batch.targets)
        self._samples += len(batch)
        if not self._first or self._samples <= EVALUATED:
            self._first.append(batch)

    def evaluation(self, shapes: Shapes, loss: Loss) -> Evaluation:
        """Return the evaluation on the first samples, held against the best constant answer."""
        constant = self._targets.baseline(shapes.of(self._network.outputs[0]))
        return Evaluation(self._network, lambda: self._first, loss, constant)
