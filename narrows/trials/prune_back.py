"""Prunes a trained wide network back to the original's parameters or MACs, by a fresh analysis.

Nonnenmacher et al., "SOSP", 2022, Figure 3: expand-pruning.
"""

from dataclasses import replace

import numpy as np

from narrows.arrays import Ints
from narrows.batch import batch_seed
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.gates.gated_network import gate
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.methods.partial_sums import PartialSums
from narrows.methods.table import Method
from narrows.plans import budget
from narrows.plans.cost import Cost, network_cost
from narrows.subject import RESAMPLED
from narrows.surgery import resize
from narrows.trials.errors import TrialError
from narrows.trials.seeds import Stream, numpy_generator, seed_of
from narrows.trials.subject import TrialSubject

ANALYSED = 2048
"""The most training samples of the fresh analysis."""


def cuts(subject: TrialSubject, wide: Network, train: Ints, seed: int) -> Ints:
    """Return how often each structure of `wide` stays, [S] of 0 and 1, by its analysis.

    `wide` is a trained network on the subject's device; samples are drawn from `train`. Raises
    TrialError where the original's size can't be met.
    """
    shapes, channels = _structures(subject, wide)
    gated = gate(wide, channels, "channel", shapes)
    method = Method("sosp_i" if subject.loss.draw else "sosp_h", seed=seed_of(seed, Stream.PRUNE))
    drawn = numpy_generator(seed, Stream.PRUNE).permutation(train)[:ANALYSED]
    size = min(subject.network.fixed_batch or RESAMPLED, len(drawn))
    sums = [
        method.measure(
            gated,
            replace(subject.load(drawn[i : i + size]), seed=batch_seed(seed, i)),
            subject.loss,
        )
        for i in range(0, len(drawn) - size + 1, size)
    ]

    def cost_of(copies: Ints) -> Cost:
        return network_cost(wide, shapes, channels, copies)

    kind = subject.options.fine_tune.prune_to
    costs = budget.structure_costs(channels, cost_of, kind)
    rank = method.order(PartialSums.stack(sums).averages, costs).rank
    limit = getattr(network_cost(subject.network, subject.shapes, subject.channels), kind)
    whole = getattr(cost_of(np.ones(len(channels), np.int64)), kind)
    copies = budget.prune_to_ratio(channels, rank, 1 - limit / whole, cost_of, kind)
    if getattr(cost_of(copies), kind) > limit:
        raise TrialError(f"{limit:,} {kind} can't be met")
    return copies


def pruned(subject: TrialSubject, wide: Network, copies: Ints) -> Network:
    """Return `wide` without the structures that `cuts` leaves out."""
    shapes, channels = _structures(subject, wide)
    return resize(wide, channels, copies, shapes=shapes)


def size_of(subject: TrialSubject, network: Network) -> Cost:
    """Return the parameters and MACs of a network that was made of the subject's."""
    shapes, channels = _structures(subject, network)
    return network_cost(network, shapes, channels)


def _structures(subject: TrialSubject, network: Network) -> tuple[Shapes, Channels]:
    shapes = trace_shapes(network, [subject.shapes.of(spec.name) for spec in network.inputs])
    return shapes, find_channels(network, shapes, subject.exclude)
