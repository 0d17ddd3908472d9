"""The widths that plans give the networks of `benchmarks.gains`, all within one budget.

The budget is what `uniform` adds there: all widths times 1.2, rounded. A smaller one would not buy
a channel for each layer of networks as small as these.
"""

from dataclasses import replace

import numpy as np

from benchmarks.gain_architectures import layer_names
from benchmarks.gain_networks import Study, parameters
from benchmarks.gain_perceptrons import HEAD
from benchmarks.gain_scores import Scored, score
from benchmarks.measured_gains import Store
from narrows import Analysis
from narrows.plans.planner import Plan

Widths = tuple[int, ...]
SEEDS = 2
"""The kept networks whose analyses make the plans."""
UNIFORM, ADVISE, DOUBLE = "uniform", "advise", "double"
BY_WORTH, BEST = "most worth × growth", "best layer"
"""A single layer is widened: by its score, and by the measured gains, which nobody knows before."""
PLANS = (UNIFORM, ADVISE, DOUBLE, BY_WORTH, BEST)


def plans(store: Store, study: Study) -> dict[str, list[Widths]]:
    """Return the widths by plan, one for each of SEEDS analyses."""
    single = [layer.widths for layer in study.layers]
    best = single[int(store.gains(study).mean.argmax())]
    analyses = [Scored(store, study, seed, "sosp_i", "channel").analyse() for seed in range(SEEDS)]
    scores = [score(store, study, seed, "sosp_i/channel:worth*growth") for seed in range(SEEDS)]
    return {
        UNIFORM: [study.uniform.widths] * SEEDS,
        ADVISE: [advised(study, analysis) for analysis in analyses],
        DOUBLE: [doubled(study, analysis) for analysis in analyses],
        BY_WORTH: [single[int(np.argmax(values))] for values in scores],
        BEST: [best] * SEEDS,
    }


def budget(study: Study) -> float:
    """Return the share of the network's parameters that every plan may add."""
    return parameters(study.uniform) / parameters(study.base) - 1


def advised(study: Study, analysis: Analysis) -> Widths:
    """Return the widths of the plan `advise`."""
    return _widths(study, analysis.advise(budget(study)))


def doubled(study: Study, analysis: Analysis) -> Widths:
    """Return the widths where layers that are named bottlenecks are wider by one factor.

    `double` itself adds as much as it happens to. With no layer named it changes nothing.
    """
    group_of = {layer.name: layer.group for layer in analysis.channels.layers}
    named = {group_of[name] for name in analysis.named("bottleneck")}
    chosen = [group_of[name] in named for name in layer_names(study.base)]
    if not any(chosen):
        return study.base.widths
    goal, best = parameters(study.uniform), study.base.widths
    for percent in range(100, 10_000):
        widths = tuple(
            percent * width // 100 if wider else width
            for width, wider in zip(study.base.widths, chosen, strict=True)
        )
        found = parameters(replace(study.base, widths=widths))
        if abs(found - goal) < abs(parameters(replace(study.base, widths=best)) - goal):
            best = widths
        if found > goal:
            break
    return best


def _widths(study: Study, plan: Plan) -> Widths:
    """Return a plan's widths in the terms of the architecture, which counts heads."""
    wider = {layer.name: layer.new_width for layer in plan.layers}
    result = []
    for name, width in zip(layer_names(study.base), study.base.widths, strict=True):
        unit = HEAD if name.endswith("query") else 1
        result.append(wider.get(name, width * unit) // unit)
    return tuple(result)
