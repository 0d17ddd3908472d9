"""Expected gain: from what layers promise to what widening them gains, with intervals.

    python -m benchmarks.expected_gain             # calibrate: writes narrows/verdict/gains.json
    python -m benchmarks.expected_gain --measure   # analyse the networks of benchmarks.gains first

The gains are those of `data/gains`; `data/promises.json` has what the analyses of the kept networks
promise, so that a calibration needs neither data sets nor analyses. The intervals are held against
networks that were left out, and against kinds of networks that were left out.
"""

import argparse
import json
from dataclasses import replace
from functools import partial
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.architecture import CLASSES
from benchmarks.calibration import Sample, calibrated, left_out
from benchmarks.gain_architectures import layer_names
from benchmarks.gain_networks import Study, parameters, studies
from benchmarks.gain_scores import Scored
from benchmarks.measured_gains import KEPT, Store
from benchmarks.options import CONSOLE
from benchmarks.training import write
from narrows import Analysis
from narrows.arrays import Floats
from narrows.plans.budget import copies_for_widths
from narrows.results.expected_gains import Promise, facts, promises
from narrows.verdict import gain
from narrows.vocabulary import BUDGET_KINDS, BudgetKind

PROMISES = Path(__file__).parent / "data" / "promises.json"
WRITTEN = Path(gain.__file__).parent / gain.GAINS
DIGITS = 4
"""The significant digits that are kept of numbers."""


def measure(store: Store, study: Study) -> dict[str, Any]:
    """Return what the layers of a network promise, by the analysis of each kept seed."""
    names = layer_names(study.base)
    analyses = [Scored(store, study, seed, "sosp_i", "channel").analyse() for seed in range(KEPT)]
    promised = [promises(analysis) for analysis in analyses]
    return {
        "facts": facts(analyses[0]),
        "losses": [_rounded(analysis.loss) for analysis in analyses],
        "added": _added(study, analyses[0]),
        "promised": {
            kind: [[_row(of_seed[name][kind]) for name in names] for of_seed in promised]
            for kind in BUDGET_KINDS
        },
    }


def _row(promise: Promise) -> list[float]:
    value, limits = promise
    return [_rounded(x) for x in (value, *limits)]


def _added(study: Study, analysis: Analysis) -> dict[str, list[float]]:
    """Return the share of each cost that the networks add in which one layer is wider."""
    layers = {layer.name: layer for layer in analysis.channels.layers}
    result: dict[str, list[float]] = {kind: [] for kind in BUDGET_KINDS}
    for n, name in enumerate(layer_names(study.base)):
        group = int(analysis.channels.groups[layers[name].own[0]])
        widths = {group: study.layers[n].widths[n]}
        copies = copies_for_widths(analysis.channels, analysis.rank, widths)
        cost = analysis.cost_of(copies)
        assert cost.parameters == parameters(study.layers[n])
        for kind, shares in result.items():
            before, after = getattr(analysis.network_cost, kind), getattr(cost, kind)
            shares.append(_rounded(after / before - 1))
    return result


def sample_of(
    store: Store, chosen: list[Study], measured: dict[str, Any], kind: BudgetKind
) -> Sample:
    """Return all layers of all networks, by each kept seed's analysis; the groups are networks."""
    rows = []
    for n, study in enumerate(chosen):
        of_network = measured[study.name]
        percents = 100 * np.array(of_network["added"][kind])
        for loss, layers in zip(of_network["losses"], of_network["promised"][kind], strict=True):
            gains = store.gains(study).mean / percents / loss
            weight = 1 / len(layers)
            rows += [(*row, g, n, weight) for row, g in zip(layers, gains.tolist(), strict=True)]
    promise, low, high, gains, group, weight = np.array(rows).T
    return Sample(promise, np.stack([low, high], 1), gains, group.astype(int), weight)


def calibration(store: Store, chosen: list[Study], measured: dict[str, Any]) -> dict[str, Any]:
    """Return the content of `gains.json`."""
    curves, kinds = {}, [study.base.kind for study in chosen]
    for kind in BUDGET_KINDS:
        curve = calibrated(sample_of(store, chosen, measured, kind))
        curves[kind] = {
            name: _rounded(value) if isinstance(value, float) else [_rounded(x) for x in value]
            for name, value in vars(curve).items()
        }
    every = [
        {**measured[s.name]["facts"], "loss": loss / log(CLASSES)}
        for s in chosen
        for loss in measured[s.name]["losses"]
    ]
    ranges = {
        name: [min(f[name] for f in every), max(f[name] for f in every)] for name in gain.FACTS
    }
    return {
        "made_by": "python -m benchmarks.expected_gain",
        "networks": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "ranges": {name: [_rounded(x) for x in ends] for name, ends in ranges.items()},
        "curves": curves,
    }


def table_of_coverage(store: Store, chosen: list[Study], measured: dict[str, Any]) -> Table:
    """Return for each cost, and what is left out in turn, the share of gains within intervals."""
    kinds = np.array([study.base.kind for study in chosen])
    names, of_network = np.unique(kinds, return_inverse=True)
    result = Table("1 % more", "left out", "within", *names, "interval / gain", "mean error")
    for cost in BUDGET_KINDS:
        networks = sample_of(store, chosen, measured, cost)
        for what in ("network", "kind"):
            of = of_network[networks.group] if what == "kind" else networks.group
            gains, ends = left_out(replace(networks, group=of))
            held = (ends[0] <= networks.gain) & (networks.gain <= ends[1])
            share = partial(_mean, held, networks.weight)
            of_kinds = [share(of_network[networks.group] == n) for n in range(len(names))]
            low, high = np.median(ends / gains, axis=1)
            error = _mean(abs(gains - networks.gain) / abs(networks.gain).mean(), networks.weight)
            percents = [f"{x:.1%}" for x in (share(), *of_kinds)]
            result.add_row(cost, what, *percents, f"{low:.2f} to {high:.2f}", f"{error:.0%}")
    return result


def _mean(values: Floats, weights: Floats, which: Any = slice(None)) -> float:
    return float(np.average(values[which], weights=weights[which]))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--measure", action="store_true", help="analyse the networks anew")
    store, chosen = Store(), studies()
    if options.parse_args().measure:
        measured = {study.name: measure(store, study) for study in chosen}
        write(PROMISES, _lines(measured).encode())
    measured = json.loads(PROMISES.read_text())
    write(WRITTEN, _lines(calibration(store, chosen, measured)).encode())
    CONSOLE.print(table_of_coverage(store, chosen, measured))


def _lines(content: dict[str, Any]) -> str:
    """Return JSON with a line for each key."""
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    return "{\n" + lines + "\n}\n"


if __name__ == "__main__":
    main()
