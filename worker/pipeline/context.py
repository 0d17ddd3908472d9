"""The network, the samples and the options of one analysis."""

from collections.abc import Collection, Iterator
from functools import cached_property, lru_cache
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from narrows.batch import Batch, batch_seed
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.evaluation.baseline import Baseline, Targets
from narrows.evaluation.evaluation import EVALUATED, Evaluation
from narrows.evaluation.independence import DependentSamplesError
from narrows.evaluation.sound_loss import require_sound_loss
from narrows.gates.call import MixedSamplesError
from narrows.gates.gated_network import GatedNetwork, gate
from narrows.graph.network import Network
from narrows.graph.shapes import FREE_BATCH, Shapes
from narrows.losses import LOSSES
from narrows.methods.partial_sums import PartialSums
from narrows.methods.table import Method
from narrows.options import AnalysisOptions
from narrows.vocabulary import CURVATURE_METHODS
from worker.errors import RefusedError
from worker.formats import pt2
from worker.formats.samples import Samples
from worker.hardware.device import chosen_device
from worker.pipeline.batches import read_batch
from worker.pipeline.compatibility import check_fit

EXACT_STRUCTURES = 5_000
"""The largest number of structures for the method `exact`, which removes each by itself."""
FACTOR_NUMBERS = 400_000_000
"""The largest number of elements in a factor of the curvature: 3.2 GB in float64."""
MIN_BATCHES = 32
"""The smallest number of batches, if there are as many samples."""
PROBED = 16
"""The number of samples among which two different ones are sought."""
TARGETS_AT_ONCE = 4096
"""The number of targets that are read at once."""


@lru_cache(maxsize=1)
def open_network(path: str) -> Network:
    """Return the network in a `.pt2` file; half precision becomes single precision."""
    return pt2.read(Path(path)).in_single_precision()


def find_structures(network: Network, shapes: Shapes, exclude: Collection[str] = ()) -> Channels:
    """Return the network's structures; raise RefusedError with the reason if there are none."""
    channels = find_channels(network, shapes, exclude)
    if len(channels) == 0:
        reasons = "; ".join(f"{layer.name}: {layer.reason}" for layer in channels.layers[:20])
        raise RefusedError(
            "nothing-to-prune",
            "No layer of the network can be pruned",
            "Narrows compares channels of convolutions and linear layers, and found "
            + (f"none whose channels can be removed ({reasons})." if reasons else "no such layer."),
        )
    return channels


class AnalysisContext:
    """What every step of an analysis needs; raises RefusedError if the parts do not fit."""

    def __init__(self, network: Network, samples: Samples, options: AnalysisOptions) -> None:
        self.network, self.options = network, options
        exported = network.fixed_batch
        drawn = _draw(len(samples), options)
        # Confidence intervals come from resampling batches, so there must be enough of them.
        most = max(1, len(drawn) // MIN_BATCHES)
        self.batch: int = min(options.batch_size, most) if exported is None else exported
        self.smallest_batch = exported or 1
        self.at_once = self.batch
        """How many samples are computed at once: a batch, or fewer after memory has run out."""
        if exported is not None:  # the program takes only complete batches
            drawn = drawn[: len(drawn) // exported * exported]
        if not len(drawn):
            raise RefusedError(
                "too-few-samples",
                "There are too few samples",
                f"The model was exported for batches of exactly {exported} samples, and the "
                "analysis has fewer. Use more samples, or export the model with a dynamic batch, "
                "as `narrows export` does.",
            )
        self.samples = samples.only(drawn)
        """The drawn samples, in the order of the draw."""
        traced = FREE_BATCH if exported is None else exported
        self.shapes = check_fit(network, self.samples, options.loss, traced)
        self.channels = find_structures(network, self.shapes, options.exclude)
        self._require_layers()
        self._require_room()
        self.device = chosen_device()

    def _require_layers(self) -> None:
        """Refuse unknown layers; the API can't check them before the model is inspected."""
        names = [*self.options.exclude]
        for factors in self.options.custom_plans.values():
            names += factors
        unknown = sorted(set(names) - {layer.name for layer in self.channels.layers})
        if unknown:
            raise RefusedError(
                "unknown-layer",
                "The model has no such layer",
                f"`exclude` or `factors` names {', '.join(unknown[:5])}; choose from the layers in "
                "the model's inspection.",
            )

    def _require_room(self) -> None:
        """Refuse analyses that would take days or too much memory."""
        structures, name = len(self.channels), self.options.method
        if name == "exact" and structures > EXACT_STRUCTURES:
            raise RefusedError(
                "too-many-structures",
                "The network has too many structures to remove each by itself",
                f"It has {structures:,}, and 'exact' is for at most {EXACT_STRUCTURES:,}. Choose "
                "the method 'joint' or 'sosp_h'.",
            )
        rows = len(self.samples)
        if self.options.curvature == "exact":
            rows *= prod(self.shapes.of(self.network.outputs[0])[1:])
        if name in CURVATURE_METHODS and rows * structures > FACTOR_NUMBERS:
            raise RefusedError(
                "too-much-curvature",
                "The curvature would not fit in memory",
                f"'{name}' keeps {rows:,} × {structures:,} numbers, and at most "
                f"{FACTOR_NUMBERS:,} are allowed. Choose the curvature 'sampled', fewer "
                "`max_samples`, or the method 'sosp_h'.",
            )

    @cached_property
    def gated(self) -> GatedNetwork:
        """The network with its gates, on the chosen device."""
        network = self.network.to(self.device)
        return gate(network, self.channels, self.options.gate, self.shapes)

    @cached_property
    def method(self) -> Method:
        return method_of(self.options)

    def measure(self, batch: Batch) -> PartialSums:
        """Return the partial sums of a batch, as one row; raise RefusedError."""
        try:
            return self.method.measure(self.gated, batch, LOSSES[self.options.loss])
        except MixedSamplesError as error:
            raise RefusedError(
                "samples-mixed", "The network mixes the samples of a batch", f"{error}."
            ) from None

    def require_sound_loss(self) -> None:
        """Raise RefusedError where the loss of a batch is not that of its samples.

        The samples of a batch may influence each other, or the outputs be no log-probabilities.
        """
        batch = self.load(0, self.network.fixed_batch or min(len(self.samples), PROBED))
        network = self.network.to(self.device)
        try:
            require_sound_loss(network, batch, self.options.loss)
        except DependentSamplesError as error:
            raise RefusedError(
                "samples-mixed", "The network mixes the samples of a batch", f"{error}."
            ) from None
        except ValueError as error:
            raise RefusedError("loss-does-not-fit", "The loss does not fit", f"{error}.") from None

    def evaluation(self, most: int = EVALUATED) -> Evaluation:
        """Return the evaluation of networks on the first `most` samples, in batches."""
        loss = LOSSES[self.options.loss]
        return Evaluation(self.network, lambda: self._first(most), loss, self._constant)

    def _first(self, most: int) -> Iterator[Batch]:
        size = self.network.fixed_batch or min(self.at_once, self.batch)
        count = min(len(self.samples), max(1, most // size) * size)
        for start in range(0, count, size):
            yield self.load(start, min(start + size, count))

    @cached_property
    def _constant(self) -> Baseline | None:
        """The score of the best constant answer to all drawn samples, if the loss has one."""
        targets = Targets(self.options.loss)
        for start in range(0, len(self.samples), TARGETS_AT_ONCE):
            targets.add(torch.from_numpy(self.samples.targets[start : start + TARGETS_AT_ONCE]))
        return targets.baseline(self.shapes.of(self.network.outputs[0]))

    def load(self, start: int, stop: int) -> Batch:
        """Return the drawn samples `start` … `stop − 1` as a batch on the device."""
        index, seed = slice(start, stop), batch_seed(self.options.seed, start)
        batch = read_batch(self.network, self.samples, self.options.loss, index, seed)
        return batch.to(self.device)


def method_of(options: AnalysisOptions) -> Method:
    """Return the method that the options name."""
    return Method(options.method, options.curvature or "sampled", options.blocks, options.seed)


def _draw(count: int, options: AnalysisOptions) -> NDArray[np.int64]:
    """Return the indices of samples drawn without replacement, in random order, [samples]."""
    order = np.random.default_rng(options.seed).permutation(count)
    return order[: options.max_samples]
