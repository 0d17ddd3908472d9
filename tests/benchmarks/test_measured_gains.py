"""Measured gains: a file for each network, to which seeds are added, and scores of its networks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks import gain_scores
from benchmarks.architecture import Architecture
from benchmarks.data import load
from benchmarks.gain_networks import Study, parameters, studies, study
from benchmarks.gain_scores import adapted, half_diagonal, score
from benchmarks.measured_gains import KEPT, Store
from benchmarks.stacked_training import Schedule, evaluate

SCHEDULE = Schedule(samples=40, epochs=1, batch=20, peak_rate=1e-2)


@pytest.fixture(scope="module")
def small() -> Study:
    of = study("digits", Architecture("plain", (3, 4)))
    return replace(of, schedule=SCHEDULE)


@pytest.fixture(scope="module")
def store(small: Study, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("gains"))
    store.add_seeds(small)
    return store


def test_seeds_are_added(small: Study, store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path)
    other.path(small).write_bytes(store.path(small).read_bytes())
    before = other.gains(small)
    other.add_seeds(small)
    after = other.gains(small)
    assert other.seeds(small) == 2 * len(before.layers) == 2 * small.seeds_together
    np.testing.assert_array_equal(after.layers[: len(before.layers)], before.layers)
    assert not np.isin(after.layers[len(before.layers) :, 0], before.layers[:, 0]).all()
    assert not other.path(small).with_suffix(".npz").exists()  # only the first seeds are kept


def test_gains_are_falls_of_the_loss_and_rises_of_the_accuracy(small: Study, store: Store) -> None:
    (run,) = json.loads(store.path(small).read_text())["runs"]
    base, uniform, *layers = np.array(run["loss"]).T
    gains = store.gains(small)
    np.testing.assert_allclose(gains.uniform, base - uniform)
    np.testing.assert_allclose(gains.layers.T, [base - layer for layer in layers])
    base, *layers = np.array(run["accuracy"]).T[[0, 2, 3]]
    found = store.gains(small, "accuracy").layers.T
    np.testing.assert_allclose(found, [layer - base for layer in layers])


def test_kept_networks_have_the_losses_that_were_measured(small: Study, store: Store) -> None:
    (run,) = json.loads(store.path(small).read_text())["runs"]
    networks = store.networks(small)
    assert len(networks) == KEPT
    for seed, network in enumerate(networks):
        data = load(small.data, SCHEDULE.samples, seed)
        loss, _ = evaluate(network, data.held_out_images, data.held_out_classes)
        assert loss == pytest.approx(run["loss"][seed][0], abs=5e-3)  # weights are kept by halves


def test_another_recipe_is_refused(small: Study, store: Store) -> None:
    changed = replace(small, schedule=replace(SCHEDULE, epochs=2))
    with pytest.raises(SystemExit, match="another recipe"):
        store.add_seeds(changed)


def test_all_variants_add_as_many_parameters() -> None:
    names = set()
    for of in studies():
        base, uniform, *layers = map(parameters, of.variants)
        one_channel = [
            parameters(replace(of.base, widths=_plus_one(of.base.widths, n))) - base
            for n in range(len(layers))
        ]
        for layer, step in zip(layers, one_channel, strict=True):
            assert layer > base
            assert abs(layer - uniform) <= 2 * step
        names.add(of.name)
    assert len(names) == len(studies()) >= 30


def _plus_one(widths: tuple[int, ...], layer: int) -> tuple[int, ...]:
    return tuple(width + (n == layer) for n, width in enumerate(widths))


def test_scores(
    small: Study, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gain_scores, "CACHE", tmp_path)
    np.testing.assert_array_equal(score(store, small, 0, "narrowest"), [-3, -4])
    own = score(store, small, 1, f"{__name__}.norms")
    weights = store.networks(small)[1].state_dict()
    expected = [float(weights[f"conv{n}.weight"].norm()) for n in (1, 2)]
    np.testing.assert_allclose(own, expected)
    worth = score(store, small, 0, "sosp_i/channel:worth")
    np.testing.assert_allclose(
        score(store, small, 0, "sosp_i/channel:w-0.1-0.75"), worth, rtol=1e-6
    )
    wider = [layer.widths[n] / small.base.widths[n] - 1 for n, layer in enumerate(small.layers)]
    by_growth = score(store, small, 0, "narrowest*growth")
    np.testing.assert_allclose(by_growth, [-3 * wider[0], -4 * wider[1]])
    assert (((mean := score(store, small, 0, "sosp_i/channel")) >= 0) & (mean <= 1)).all()
    for unknown in ("nothing", "no.such.module", "sosp_i/channel:nothing"):
        with pytest.raises(SystemExit, match=r"no\.such|nothing"):
            score(store, small, 0, unknown)


def norms(network: nn.Module, images: Tensor, classes: Tensor, layers: list[str]) -> list[float]:
    assert len(images) == len(classes) == SCHEDULE.samples
    modules = dict(network.named_modules())
    return [float(torch.linalg.vector_norm(modules[name].weight)) for name in layers]


def test_adapting_to_twins_and_to_nothing() -> None:
    """Twins replace each other; a channel that is orthogonal to all others loses all it has."""
    factor = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    ridge = 0.1 * 2  # Q's diagonal is (1, 1, 4), with the mean 2
    twin = 0.5 * ridge * (2 + ridge) / (1 + ridge)  # ½ / [(11ᵀ + λI)⁻¹]_cc
    np.testing.assert_allclose(adapted(factor, 0.1), [twin, twin, 0.5 * (4 + ridge)])
    np.testing.assert_allclose(half_diagonal(factor), [0.5, 0.5, 2.0])
