"""The results of inspections, as the API returns them."""

from collections import Counter
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from narrows.channels.structures import Channels
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes
from narrows.plans.cost import network_cost
from narrows.results.rows import describe_layer
from worker.errors import RefusedError
from worker.formats.columns import Column
from worker.formats.samples import Samples, Stored
from worker.pipeline.thumbnail import thumbnail

Json = dict[str, Any]

SHOWN = 1000
"""How many classes are shown."""
NAME = 100
"""How many characters of the name of a class are."""


def model_inspection(network: Network, shapes: Shapes, channels: Channels) -> Json:
    """Return the inputs, outputs, costs, layers and channel groups of a model."""
    costs = network_cost(network, shapes, channels)
    return {
        "inputs": [
            {"name": spec.name, "dtype": _name(spec.dtype), "shape": list(spec.shape)}
            for spec in network.inputs
        ],
        "outputs": [list(shapes.of(name)[1:]) for name in network.outputs],
        "parameters": costs.parameters,
        "macs": costs.macs,
        "structures": len(channels),
        "layers": [describe_layer(layer, costs) for layer in channels.layers],
        "groups": [
            {
                "group": group,
                "width": int(np.count_nonzero(channels.groups == group)),
                "layers": [
                    layer.name
                    for layer in channels.layers
                    if group in channels.groups[layer.structures[layer.structures >= 0]]
                ],
            }
            for group in np.unique(channels.groups).tolist()
        ],
    }


def dataset_inspection(samples: Samples) -> Json:
    """Return the counts, shapes and classes of a dataset, and its first sample transformed.

    `inputs` has all arrays by name; of several, `transform` and `first_sample` have, too. Raises
    RefusedError if the transformed sample is not finite.
    """
    samples.check()
    arrays = {name: stored.column.describe() for name, stored in samples.inputs.items()}
    firsts = {name: _first_sample(name, stored) for name, stored in samples.inputs.items()}
    first, *others = samples.inputs
    described: Json = {
        "samples": len(samples),
        "inputs": arrays,
        "x": arrays[first],
        "y": samples.answers.column.describe(),
        "transform": samples.transforms,
        "first_sample": firsts if others else firsts[first],
    }
    if samples.answers.column.dtype.kind in "biu":
        counts = _counts(samples.answers.column)
        described["classes"] = len(counts)
        described["counts"] = {str(label): counts[label] for label in sorted(counts)[:SHOWN]}
    if samples.classes is not None:
        described["class_names"] = [name[:NAME] for name in samples.classes[:SHOWN]]
    if samples.left_out:
        described["left_out"] = samples.left_out
    return described


def _counts(targets: Column) -> Counter[int]:
    counts: Counter[int] = Counter()
    for rows in targets.chunks():
        labels, times = np.unique(rows, return_counts=True)
        counts.update(dict(zip(labels.tolist(), times.tolist(), strict=True)))
    return counts


def _first_sample(name: str, stored: Stored) -> Json:
    first = stored.batch(slice(0, 1), torch.float32)
    if not first.isfinite().all():
        reached = stored.column.read(np.arange(1), stored.transform).abs().max().item()
        raise RefusedError(
            "dataset-invalid",
            "The dataset can't be used",
            f"The transformed first sample of {name} is not finite: its numbers, or `scale`, are "
            f"too large (the sample reaches {reached:.3g}).",
        )
    shown = {
        "shape": list(first.shape[1:]),
        "min": first.min().item(),
        "max": first.max().item(),
        "mean": first.mean().item(),
    }
    picture = thumbnail(first[0])
    return shown if picture is None else shown | {"thumbnail": picture}


def versions() -> Json:
    """Return the versions of the code that computes a result."""
    return {"narrows": version("narrows"), "torch": torch.__version__, "numpy": np.__version__}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
