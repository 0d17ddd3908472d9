"""What a trial of the zoo's steps finds, as JSON, and how results are compared."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from narrows.arrays import Ints
from narrows.channels.structures import Channels
from narrows.gates.gated_network import gate
from narrows.graph.network import Network
from narrows.surgery.built import Built
from narrows.surgery.masked_run import random_inputs

Json = dict[str, Any]

TOLERANCE = 1e-4
"""The largest deviation of outputs in single precision, relative to the largest output."""
EDGES = ("the network's outputs", "the network's inputs")
"""What ends the reasons of layers that keep their width because the network ends there."""


def described(channels: Channels) -> Json:
    """Return how many layers are followed, and why the others are not."""
    reasons = Counter(layer.reason for layer in channels.layers if layer.reason)
    ends = sum(count for reason, count in reasons.items() if reason.endswith(EDGES))
    return {
        "layers": len(channels.layers),
        "followed": len(channels.layers) - sum(reasons.values()) + ends,
        "reasons": {
            reason: [layer.name for layer in channels.layers if layer.reason == reason][:4]
            for reason in reasons
            if not reason.endswith(EDGES)
        },
        "structures": len(channels),
    }


def widths(channels: Channels) -> list[tuple[str, int, bool]]:
    """Return each layer's name, width and whether it is followed."""
    return sorted((layer.name, layer.width, layer.reason is None) for layer in channels.layers)


def verified(built: Built) -> Json:
    """Return what the proof of a built network says."""
    verification = built.verification
    return {"deviation": verification.deviation, "reasons": list(verification.reasons)[:3]}


def gated(network: Network, channels: Channels, copies: Ints, built: Built) -> Json:
    """Hold what was built against gates at zero, unless a norm's statistics have changed."""
    if built.verification.reasons:
        return {"gated": None}
    inputs = random_inputs(network, built.shapes, seed=1)
    double, after = (net.map_dtypes(_double) for net in (network, built.network))
    m = torch.from_numpy((copies > 0).astype(float))[None]
    with torch.no_grad():
        expected = gate(double, channels, "channel", built.shapes).at(m, *inputs)
        deviation = deviation_of(after(*inputs)[:1], [expected])
    if not deviation <= TOLERANCE:
        raise ArithmeticError(f"the built network is {deviation:.1e} from the gated one")
    return {"gated": deviation}


def _double(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype.is_floating_point else dtype


def deviation_of(ours: Any, theirs: list[Tensor]) -> float:
    """Return the largest difference relative to the largest output; raise where it is too large."""
    if len(ours) != len(theirs):
        raise ArithmeticError(f"{len(ours)} outputs instead of {len(theirs)}")
    pairs = zip(ours, theirs, strict=True)
    found = max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-30)) for a, b in pairs)
    if not found <= TOLERANCE:
        raise ArithmeticError(f"outputs differ by {found:.1e} of the largest")
    return found


def text_of(error: BaseException) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
