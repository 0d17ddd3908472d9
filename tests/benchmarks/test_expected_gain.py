"""The calibration that comes with Narrows is the one that the stored data give."""

import json
from pathlib import Path

import pytest

from benchmarks import gain_scores
from benchmarks.calibration import left_out
from benchmarks.expected_gain import PROMISES, WRITTEN, calibration, measure, sample_of
from benchmarks.gain_networks import Study, studies
from benchmarks.measured_gains import Store
from narrows.vocabulary import BUDGET_KINDS, BudgetKind

STORE = Store()


@pytest.fixture(scope="module")
def every() -> list[Study]:
    return studies()


def test_calibrating_anew_gives_the_same(every: list[Study]) -> None:
    measured = json.loads(PROMISES.read_text())
    found = calibration(STORE, every, measured)
    expected = json.loads(WRITTEN.read_text())
    assert found.keys() == expected.keys()
    assert found["networks"] == expected["networks"]
    for name, ends in expected["ranges"].items():
        assert found["ranges"][name] == pytest.approx(ends)
    for kind, curve in expected["curves"].items():
        for name, values in curve.items():
            assert found["curves"][kind][name] == pytest.approx(values, rel=1e-3), (kind, name)


def test_analysing_anew_promises_the_same(
    every: list[Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of worth makes the calibration stale: measure it anew then."""
    monkeypatch.setattr(gain_scores, "CACHE", tmp_path)
    study = next(s for s in every if s.name == "digits-mlp-tanh-16.4.16.4")
    expected = json.loads(PROMISES.read_text())[study.name]
    found = measure(STORE, study)
    assert found["facts"] == expected["facts"]
    assert found["losses"] == pytest.approx(expected["losses"], rel=1e-3)
    for kind in BUDGET_KINDS:
        assert found["added"][kind] == pytest.approx(expected["added"][kind], rel=1e-3)
        for seed, layers in enumerate(expected["promised"][kind]):
            for layer, values in enumerate(layers):
                assert found["promised"][kind][seed][layer] == pytest.approx(values, rel=1e-2)
    assert len(list(tmp_path.rglob("*.pickle"))) == len(expected["losses"])


@pytest.mark.parametrize("cost", BUDGET_KINDS)
def test_intervals_hold_for_networks_left_out(every: list[Study], cost: BudgetKind) -> None:
    sample = sample_of(STORE, every, json.loads(PROMISES.read_text()), cost)
    _, (low, high) = left_out(sample)
    held = (low <= sample.gain) & (sample.gain <= high)
    assert 0.9 <= (held * sample.weight).sum() / sample.weight.sum() <= 0.98
