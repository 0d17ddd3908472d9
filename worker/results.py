"""What is found, in the words of the API: the rows of the result tables and the inspections."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from worker.formats.samples import Samples
from worker.opened import Opened
from worker.sosp import ranking
from worker.sosp.channels import Channels, Layer
from worker.sosp.cost import Cost, cost
from worker.sosp.network import Network
from worker.sosp.plans import Plan, double
from worker.sosp.shapes import Shapes
from worker.sosp.sosp_h import Terms, saliencies
from worker.sosp.verdict import Verdict

Json = dict[str, Any]


def model_inspection(network: Network, shapes: Shapes, channels: Channels) -> Json:
    """Describe a model: its inputs and outputs, what it costs, its layers and channel groups."""
    costs = cost(network, shapes, channels)
    return {
        "inputs": [
            {"name": spec.name, "dtype": _name(spec.dtype), "shape": list(spec.shape)}
            for spec in network.inputs
        ],
        "outputs": [list(shapes.of(name)[1:]) for name in network.outputs],
        "parameters": costs.parameters,
        "macs": costs.macs,
        "structures": len(channels),
        "layers": [_layer(layer, costs) for layer in channels.layers],
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
    """Describe a dataset: counts, shapes, classes, and what the transform makes of a sample."""
    first, _ = samples.batch([0], torch.float32)
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


def analysis(
    opened: Opened, terms: Terms, verdicts: Mapping[str, Verdict], pruning_ratio: float
) -> Json:
    """Return the rows of layers, structures and plans, and the summary."""
    first, second, loss = terms.means()
    saliency = saliencies(first, second)
    places = ranking.ranks(saliency)
    costs = cost(opened.network, opened.shapes, opened.channels)
    members = opened.channels.members()
    named = {
        verdict: [name for name, v in verdicts.items() if v.verdict == verdict]
        for verdict in ("bottleneck", "suspected", "redundant")
    }
    return {
        "layers": [
            {
                **_layer(layer, costs),
                **vars(verdicts[layer.name]),
                "sweep": ranking.sweep(places, layer) if layer.group is not None else [],
            }
            for layer in opened.channels.layers
        ],
        "structures": [
            {
                "group": int(opened.channels.groups[s]),
                "channel": int(opened.channels.positions[s]),
                "saliency": float(saliency[s]),
                "first_order": float(first[s]),
                "second_order": float(second[s]),
                "rank": int(places[s]),
                "members": members[s],
            }
            for s in range(len(opened.channels))
        ],
        "plans": [_plan(double(opened.network, opened.shapes, opened.channels, verdicts))],
        "summary": {
            "loss": loss,
            "structures": len(opened.channels),
            "samples": int(terms.samples.sum()),
            "pruning_ratio": pruning_ratio,
            "bottlenecks": named["bottleneck"],
            "suspected": named["suspected"],
            "redundant": named["redundant"],
        },
    }


def versions() -> Json:
    """Return which code computed a result."""
    return {"narrows": version("narrows"), "torch": torch.__version__, "numpy": np.__version__}


def _layer(layer: Layer, costs: Cost) -> Json:
    parameters, macs = costs.layers[layer.name]
    return {
        "name": layer.name,
        "op": layer.op,
        "group": layer.group,
        "width": layer.width,
        "parameters": parameters,
        "macs": macs,
        "reason": layer.reason and f"Its channels can't be pruned: {layer.reason}.",
    }


def _plan(plan: Plan) -> Json:
    return {
        "name": plan.name,
        "layers": [
            {
                "name": layer.name,
                "width": layer.width,
                "new_width": layer.new_width,
                "edits": [
                    {
                        "module": edit.module,
                        "attribute": edit.attribute,
                        "from": edit.before,
                        "to": edit.after,
                    }
                    for edit in layer.edits
                ],
            }
            for layer in plan.layers
        ],
        "parameters": [plan.before.parameters, plan.after.parameters],
        "macs": [plan.before.macs, plan.after.macs],
        "artifact": None,
    }


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
