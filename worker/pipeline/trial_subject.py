"""What a trial trains, from files and from the request."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from narrows.trials.data import TrialData
from narrows.trials.options import TrialOptions
from narrows.trials.subject import TrialSubject
from worker.errors import RefusedError
from worker.formats import dataset
from worker.formats.transform import Transform
from worker.hardware.device import chosen_device
from worker.pipeline.batches import stored_inputs
from worker.pipeline.context import open_network

Json = dict[str, Any]


def options_in(request: Json) -> TrialOptions:
    """Return the options in a request that the API has accepted."""
    subject = {"model_id", "dataset_id", "analysis_id", "transform"}
    return TrialOptions.from_json({k: v for k, v in request.items() if k not in subject})


def open_subject(
    model_path: str, dataset_path: str, transform: Json, request: Json, exclude: Sequence[str]
) -> TrialSubject:
    """Return what is trained, read once; raise RefusedError where it can't be."""
    return _open_once(
        model_path,
        dataset_path,
        Transform.from_json(transform),
        options_in(request),
        tuple(exclude),
    )


@lru_cache(maxsize=1)
def _open_once(
    model_path: str,
    dataset_path: str,
    transform: Transform,
    options: TrialOptions,
    exclude: tuple[str, ...],
) -> TrialSubject:
    network, whole = open_network(model_path), dataset.read(Path(dataset_path), transform)
    samples = whole.only(np.arange(len(whole)))  # arrays are kept in memory, images are not
    read = stored_inputs(network, samples, options.loss)
    own = next((i for i, stored in enumerate(read) if stored is samples.answers), None)

    def load(index: Any) -> Any:
        inputs = tuple(
            stored.batch(index, spec.dtype)
            for stored, spec in zip(read, network.inputs, strict=True)
            if stored is not samples.answers
        )
        return inputs, torch.from_numpy(samples.targets[index])

    data = TrialData(samples.targets, load, own)
    try:
        return TrialSubject.prepare(network, data, options, exclude=exclude, device=chosen_device())
    except ValueError as error:
        raise impossible(error) from error


def impossible(error: ValueError) -> RefusedError:
    """Return the refusal of a trial that can't be held."""
    return RefusedError("trial-impossible", "The trial can't be held", f"{sentence(str(error))}.")


def sentence(text: str) -> str:
    """Return a text that begins as a sentence does, without its full stop."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".")
