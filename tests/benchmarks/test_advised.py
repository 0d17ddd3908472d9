"""What plans gain in retraining: plans within the budget, and seeds that are trained once."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import advised_losses, gain_scores
from benchmarks.advised import Outcome
from benchmarks.advised_losses import Losses
from benchmarks.advised_plans import ADVISE, BEST, DOUBLE, PLANS, UNIFORM, plans
from benchmarks.architecture import Architecture
from benchmarks.gain_networks import Study, parameters, studies, study
from benchmarks.measured_gains import Store
from benchmarks.stacked_training import Schedule

SCHEDULE = Schedule(samples=40, epochs=1, batch=20, peak_rate=1e-2)
WIDTHS = {
    UNIFORM: [[4, 5]] * 2,
    ADVISE: [[4, 6], [6, 5]],
    DOUBLE: [[3, 4]] * 2,
    BEST: [[4, 4], [3, 5]],
}


@pytest.fixture(scope="module")
def small() -> Study:
    return replace(study("digits", Architecture("plain", (3, 4))), schedule=SCHEDULE)


@pytest.fixture(scope="module")
def store(small: Study, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("gains"))
    store.add_seeds(small)
    return store


def test_what_is_missing_is_trained_with_the_same_seeds(
    small: Study, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advised_losses, "plans", lambda *_: WIDTHS)
    losses = Losses(small, tmp_path, store)
    assert not losses.is_complete()
    losses.plan()
    shared = {variant.widths for variant in small.variants}
    new = {(4, 6), (6, 5), (4, 4), (3, 5)} - shared
    assert set(losses.missing()) == new
    losses.train()
    assert losses.is_complete()
    trained = json.loads(losses.path.read_text())["trained"]
    assert {tuple(map(int, key.split())) for key in trained} == new

    base, uniform, *_ = store.measured(small).T
    gains = losses.gains()
    np.testing.assert_allclose(gains[UNIFORM], base - uniform)
    np.testing.assert_array_equal(gains[DOUBLE], np.zeros_like(base))  # nothing was named
    both = np.mean([trained["4 6"], trained["6 5"]], axis=0)
    np.testing.assert_allclose(gains[ADVISE], base - both)
    outcome = Outcome.of(losses)
    assert outcome.advantage == pytest.approx((uniform - both).mean() / base.mean())

    monkeypatch.setattr(advised_losses, "fit", None)  # nothing is trained twice
    losses.train()


def test_the_same_network_has_the_same_losses(small: Study, store: Store, tmp_path: Path) -> None:
    """What is trained here is held against what `benchmarks.gains` has trained."""
    found = Losses(small, tmp_path, store)._losses(small.uniform.widths)
    np.testing.assert_allclose(found, store.measured(small)[:, 1], atol=2e-5)


def stored() -> list[Losses]:
    every = [Losses(study) for study in studies()]
    return [losses for losses in every if losses.is_complete()]


def test_every_plan_that_was_trained_is_within_the_budget() -> None:
    assert len(stored()) >= 12
    for losses in stored():
        base, most = losses.study.base, parameters(losses.study.uniform)
        plans = json.loads(losses.path.read_text())["plans"]
        assert plans.keys() == set(PLANS)
        for widths in plans[ADVISE]:
            advised = parameters(replace(base, widths=tuple(widths)))
            assert parameters(base) < advised <= most


def test_planning_anew_gives_the_plans_that_were_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gain_scores, "CACHE", tmp_path)
    (losses,) = (x for x in stored() if x.study.name == "digits-mlp-tanh-16.4.16.4")
    trained = json.loads(losses.path.read_text())["plans"]
    found = plans(Store(), losses.study)
    for name in (UNIFORM, ADVISE, BEST):
        assert [list(widths) for widths in found[name]] == trained[name]
