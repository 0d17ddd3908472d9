"""The loss of a batch must be that of its samples, seen one by one."""

import torch

from narrows.batch import Batch
from narrows.evaluation.independence import require_independent_samples
from narrows.evaluation.log_probabilities import require_log_probabilities
from narrows.graph.network import Network


def require_sound_loss(network: Network, batch: Batch, loss: str | None) -> None:
    """Raise ValueError unless `loss`, by its name, is one of single samples; None: the user's own.

    DependentSamplesError is raised if the samples influence each other, another ValueError if the
    program's loss is a sum, and NotLogProbabilitiesError for `nll` of other outputs.

    >>> from narrows.example import one_sample, two_neurons
    >>> require_sound_loss(two_neurons()[0], one_sample(), "mse")
    """
    require_independent_samples(network, batch, scalar=loss == "model")
    if loss == "nll":
        with torch.no_grad():
            outputs = network(*batch.inputs)[0]
        require_log_probabilities(outputs, batch.targets)
