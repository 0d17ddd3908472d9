"""The expected gains of an analysis: of each layer, for one percent more parameters or MACs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from narrows.losses import LOSSES
from narrows.plans.budget import growth_per_percent
from narrows.verdict.gain import Gain, calibration
from narrows.verdict.jackknife import Interval
from narrows.vocabulary import BUDGET_KINDS, BudgetKind

if TYPE_CHECKING:
    from narrows.analysis import Analysis

CALIBRATED_FOR = (LOSSES["cross_entropy"], LOSSES["nll"])

ExpectedGains = dict[BudgetKind, Gain]
Promise = tuple[float, Interval]
"""A share of the loss, with its interval."""


def expected_gains(analysis: "Analysis") -> dict[str, ExpectedGains]:
    """Return the gains by layer and cost, without the layers that have none."""
    if withheld(analysis):
        return {}
    curves = calibration().curves
    return {
        name: {
            kind: curves[kind].expected(*promise).times(analysis.loss)
            for kind, promise in of_layer.items()
        }
        for name, of_layer in promises(analysis).items()
    }


def promises(analysis: "Analysis") -> dict[str, dict[BudgetKind, Promise]]:
    """Return what layers promise for one percent more of each cost.

    Layers without an interval of their worth are left out.
    """
    growth = growth_per_percent(analysis.channels, analysis.cost_of)
    result: dict[str, dict[BudgetKind, Promise]] = {}
    for layer in analysis.channels.layers:
        worth, limits, _ = analysis.layer_worth[layer.name]
        if layer.group is None or worth is None or limits is None:
            continue
        low, high = limits
        result[layer.name] = {
            kind: (worth * factor, (low * factor, high * factor))
            for kind, of_groups in growth.items()
            if layer.group in of_groups
            for factor in [of_groups[layer.group] / analysis.loss]
        }
    return result


def withheld(analysis: "Analysis") -> str | None:
    """Return why no gain is expected of any layer, or None."""
    if analysis.worth is None:
        return f"the method {analysis.method.name!r} does not measure worth"
    if analysis.gate != "channel":
        return "gains were calibrated with gates on channels"
    if analysis.evaluation is None or analysis.evaluation.loss not in CALIBRATED_FOR:
        return "gains were calibrated for the cross-entropy of classes"
    if analysis.doubt:
        return analysis.doubt
    if analysis.loss <= 0:
        return "the loss is 0"
    if all(worth.worth_interval is None for worth in analysis.layer_worth.values()):
        return "there are too few batches"
    return None


def basis(analysis: "Analysis") -> str:
    """Return what the gains rest on, and how this network differs, or why there are none."""
    why = withheld(analysis)
    return f"No gain is expected: {why}." if why else calibration().basis(facts(analysis))


def facts(analysis: "Analysis") -> dict[str, float]:
    """Return what says how like the network is to those of the calibration (`gain.FACTS`)."""
    layers = analysis.channels.layers
    found = {
        "parameters": analysis.network_cost.parameters,
        "layers": len(layers),
        "widest": max(layer.width for layer in layers),
    }
    baseline = analysis.baseline
    chance = {"loss": analysis.loss / baseline.chance.loss} if baseline and baseline.chance else {}
    return found | chance


def row(gains: Mapping[BudgetKind, Gain] | None) -> dict[str, Any] | None:
    """Return a layer's gains in the API's shape; None where there are none."""
    if gains is None:
        return None
    of = {kind: gains.get(kind) for kind in BUDGET_KINDS}
    return {kind: gain and gain._asdict() for kind, gain in of.items()}
