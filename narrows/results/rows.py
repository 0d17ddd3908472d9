"""The rows of an analysis in the API's shapes: one for each layer, one for each structure."""

from typing import TYPE_CHECKING, Any

from narrows.channels.flow import flows
from narrows.channels.structures import Layer
from narrows.methods import ranking
from narrows.methods.table import second_order
from narrows.plans.cost import Cost
from narrows.results import expected_gains
from narrows.verdict.jackknife import interval

if TYPE_CHECKING:
    from narrows.analysis import Analysis


def layer_rows(analysis: "Analysis") -> list[dict[str, Any]]:
    """Return a row for each layer, in the network's order: facts, verdict, sweep, and flow."""
    of_layers = flows(analysis.network, analysis.channels)
    return [
        {
            **describe_layer(layer, analysis.network_cost),
            **vars(analysis.verdicts[layer.name]),
            **analysis.layer_worth[layer.name]._asdict(),
            "widen_rank": analysis.widen_ranks[layer.name],
            "expected_gain": expected_gains.row(analysis.expected_gains.get(layer.name)),
            **_sweep(analysis, layer),
            **of_layers[layer.name]._asdict(),
        }
        for layer in analysis.channels.layers
    ]


def _sweep(analysis: "Analysis", layer: Layer) -> dict[str, Any]:
    """Return the layer's ratio at each global ratio of the sweep, and its 95 % intervals."""
    if layer.group is None:
        return {"sweep": [], "sweep_intervals": None}
    shares = ranking.sweep(analysis.rank, layer).tolist()
    without = [ranking.sweep(order.rank, layer).tolist() for order in analysis.replicates]
    limits = [interval(share, others) for share, *others in zip(shares, *without, strict=True)]
    return {
        "sweep": [list(pair) for pair in zip(ranking.SWEEP, shares, strict=True)],
        "sweep_intervals": limits if analysis.replicates else None,
    }


def summary(analysis: "Analysis") -> dict[str, Any]:
    """Return the score, what it is held against, what removals cost, and the layers by verdict."""
    return {
        **analysis.score.to_dict(),
        "baseline": analysis.baseline and analysis.baseline.to_dict(),
        "doubt": analysis.doubt,
        "gain_basis": analysis.gain_basis,
        **analysis.removals.to_dict(),
        "structures": len(analysis.channels),
        "samples": analysis.samples,
        "pruning_ratio": analysis.pruning_ratio,
        "rule": analysis.judged_by,
        "bottlenecks": analysis.named("bottleneck"),
        "suspected": analysis.named("suspected"),
        "redundant": analysis.named("redundant"),
        "undecided": analysis.named("undecided"),
    }


def structure_rows(analysis: "Analysis") -> list[dict[str, Any]]:
    """Return a row for each structure: its saliency with the parts, rank, worth, and members."""
    averages, channels = analysis.partial_sums.averages, analysis.channels
    worth = analysis.worth.of_structures if analysis.worth else None
    first, second = averages.means.get("first"), second_order(averages)
    return [
        {
            "group": int(channels.groups[s]),
            "channel": int(channels.positions[s]),
            "saliency": float(analysis.saliency[s]),
            "first_order": None if first is None else float(first[s]),
            "second_order": None if second is None else float(second[s]),
            "rank": int(analysis.rank[s]),
            "worth": None if worth is None else float(worth[s]),
            "members": members,
        }
        for s, members in enumerate(channels.members())
    ]


def describe_layer(layer: Layer, costs: Cost) -> dict[str, Any]:
    """Return the facts of a layer that need no data, in the API's shape; MACs for one sample."""
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
