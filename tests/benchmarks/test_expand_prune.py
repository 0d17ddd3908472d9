"""Gains are paired by seed, over the runs that are stored."""

import json
from pathlib import Path

import pytest

from benchmarks import expand_prune_runs
from benchmarks.expand_prune import rows
from narrows.trials.result import RunResult


def test_gains_are_those_of_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand_prune_runs, "CACHE", tmp_path)
    network = expand_prune_runs.networks()[0]
    losses = {("original", 0): 0.5, ("original", 1): 0.7, ("original", 2): 0.1,
              ("advise.expand_prune", 0): 0.4, ("advise.expand_prune", 1): 0.9,
              ("advise.expand_prune", 3): 9.0}  # fmt: skip
    for (variant, seed), loss in losses.items():
        size = 90 if variant != "original" else 100
        result = RunResult(variant, seed, size, 1, 1, loss, 1 - loss, ())
        path = expand_prune_runs._path(network, f"{variant}.{seed}")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result.to_json()))
    original, uniform, double, advise = rows(network, range(4))
    assert (len(original.pairs), len(uniform.pairs), len(double.pairs)) == (3, 0, 0)
    assert advise.cells() == (
        "advise.expand_prune", "2", "0.900", "0.6500", "35.00%", "-0.0500 ± 0.1500",
        "-5.00 ± 15.00", "50%",
    )  # fmt: skip
