"""What the network reads of stored samples, as a batch."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from narrows.batch import Batch
from narrows.graph.network import Network
from narrows.inputs import TARGET, InputsError, arrange
from narrows.losses import CLASS_LOSSES
from worker.errors import RefusedError
from worker.formats.samples import Samples, Stored

UNFIT: Final = ("shapes-do-not-fit", "The model and the dataset do not fit")
"""The slug and the title of the problem."""


def stored_inputs(network: Network, samples: Samples, loss: str) -> list[Stored]:
    """Return what each of the network's inputs reads; raise RefusedError where there is no array.

    A program that returns its loss also takes the targets, `samples.answers`.
    """
    target = (TARGET, samples.answers) if loss == "model" else None
    try:
        return list(arrange([spec.name for spec in network.inputs], samples.inputs, target))
    except InputsError as error:
        raise RefusedError(*UNFIT, f"{str(error)[0].upper()}{str(error)[1:]}.") from None


def read_batch(
    network: Network,
    samples: Samples,
    loss: str,
    index: NDArray[np.int64] | slice,
    seed: int = 0,
) -> Batch:
    """Return the preprocessed inputs and the targets of some samples, in the network's types.

    Raises RefusedError where an input has no array.
    """
    arrays = stored_inputs(network, samples, loss)
    inputs = tuple(
        stored.batch(index, spec.dtype) for stored, spec in zip(arrays, network.inputs, strict=True)
    )
    if loss == "model":
        at = next(i for i, stored in enumerate(arrays) if stored is samples.answers)
        return Batch(inputs, inputs[at], seed, at)
    dtype = torch.int64 if loss in CLASS_LOSSES else network.precision
    return Batch(inputs, samples.answers.batch(index, dtype), seed)
