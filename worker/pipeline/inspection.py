"""The results of inspections, as the API returns them."""

from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from narrows.channels.structures import Channels
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes
from narrows.plans.cost import network_cost
from narrows.results.rows import describe_layer
from worker.errors import RefusedError
from worker.formats.samples import Samples, Stored

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

    `inputs` has all arrays by name; of several, `transform` and `first_sample` have, too. Raises
    RefusedError if the transformed sample is not finite.
    """
    arrays = {name: _array(stored.array) for name, stored in samples.inputs.items()}
    firsts = {name: _first_sample(name, stored) for name, stored in samples.inputs.items()}
    first, *others = samples.inputs
    described: Json = {
        "samples": len(samples),
        "inputs": arrays,
        "x": arrays[first],
        "y": _array(samples.targets),
        "transform": samples.transforms,
        "first_sample": firsts if others else firsts[first],
    }
    if samples.targets.dtype.kind in "biu":
        labels, counts = np.unique(samples.targets, return_counts=True)
        described["classes"] = len(labels)
        described["counts"] = dict(
            zip(map(str, labels[:1000].tolist()), counts.tolist(), strict=False)
        )
    return described


def _array(array: NDArray[Any]) -> Json:
    return {"shape": list(array.shape[1:]), "dtype": str(array.dtype)}


def _first_sample(name: str, stored: Stored) -> Json:
    first = stored.batch(slice(0, 1), torch.float32)
    if not first.isfinite().all():
        raise RefusedError(
            "dataset-invalid",
            "The dataset can't be used",
            f"The transformed first sample of {name} is not finite: its numbers, or `scale`, are "
            f"too large (the sample reaches {np.abs(stored.array[0]).max():.3g}).",
        )
    return {
        "shape": list(first.shape[1:]),
        "min": first.min().item(),
        "max": first.max().item(),
        "mean": first.mean().item(),
    }


def versions() -> Json:
    """Return the versions of the code that computes a result."""
    return {"narrows": version("narrows"), "torch": torch.__version__, "numpy": np.__version__}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
