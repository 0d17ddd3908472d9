"""The results of inspections, as the API returns them."""

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
from worker.formats.samples import Samples

Json = dict[str, Any]


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

    Raises RefusedError if the transformed sample is not finite.
    """
    first = samples.transform.apply(samples.inputs[:1], torch.float32)
    if not first.isfinite().all():
        raise RefusedError(
            "dataset-invalid",
            "The dataset can't be used",
            "The transformed first sample is not finite: its numbers, or `scale`, are too large "
            f"(the sample reaches {np.abs(samples.inputs[0]).max():.3g}).",
        )
    described: Json = {
        "samples": len(samples),
        "x": {"shape": list(samples.inputs.shape[1:]), "dtype": str(samples.inputs.dtype)},
        "y": {"shape": list(samples.targets.shape[1:]), "dtype": str(samples.targets.dtype)},
        "transform": vars(samples.transform),
        "first_sample": {
            "shape": list(first.shape[1:]),
            "min": first.min().item(),
            "max": first.max().item(),
            "mean": first.mean().item(),
        },
    }
    if samples.targets.dtype.kind in "biu":
        labels, counts = np.unique(samples.targets, return_counts=True)
        described["classes"] = len(labels)
        described["counts"] = dict(
            zip(map(str, labels[:1000].tolist()), counts.tolist(), strict=False)
        )
    return described


def versions() -> Json:
    """Return the versions of the code that computes a result."""
    return {"narrows": version("narrows"), "torch": torch.__version__, "numpy": np.__version__}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
