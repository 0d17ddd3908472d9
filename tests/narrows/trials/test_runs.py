"""Runs: the same bits after every stop, one split for all variants, a reason for each end."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from narrows.trials.checkpoint import Checkpoint, CheckpointError
from narrows.trials.errors import TrialError
from narrows.trials.result import RunResult
from narrows.trials.run import TrainingRun
from narrows.trials.subject import TrialSubject
from narrows.trials.variants import Variant, variants
from tests.support.trials import classes_of, original, subject_of

RECIPE = {
    "steps": 12,
    "batch_size": 8,
    "learning_rate": 0.02,
    "flip": True,
    "crop": 1,
    "label_smoothing": 0.05,
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Conv2d(6, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 3),
    )


def subject(**request: Any) -> TrialSubject:
    torch.manual_seed(1)
    images = torch.randn(60, 1, 6, 6)
    return subject_of(network(), images, classes_of(images, 3), **{"recipe": RECIPE} | request)


@pytest.fixture(scope="module")
def small() -> TrialSubject:
    return subject()


@pytest.fixture(scope="module")
def tried(small: TrialSubject) -> dict[str, Variant]:
    """The variants of a plan that doubles the six channels."""
    doubled = np.where(small.channels.groups == 0, 2, 1)
    return {variant.name: variant for variant in variants(small, {"double": doubled})[0]}


def finished(run: TrainingRun) -> TrainingRun:
    run.advance(run.steps)
    return run


def bits(run: TrainingRun) -> dict[str, bytes]:
    tensors = Checkpoint.of_bytes(run.checkpoint()).tensors
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", ["original", "double.expand_prune"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_run_that_stops_goes_on_with_the_same_bits(name: str, optimizer: str) -> None:
    trial = subject(recipe={**RECIPE, "optimizer": optimizer})
    doubled = np.where(trial.channels.groups == 0, 2, 1)
    variant = next(v for v in variants(trial, {"double": doubled})[0] if v.name == name)
    whole = finished(TrainingRun.start(trial, variant, 5))
    torch.rand(3)  # what others draw does not matter
    run = TrainingRun.start(trial, variant, 5)
    for _ in range(whole.steps + 1):  # also between the pruning and the step after it
        run = TrainingRun.resume(trial, variant, 5, run.checkpoint())
        run.advance(1)
    assert run.done
    assert bits(run) == bits(whole)
    assert run.result() == whole.result()
    assert RunResult.from_json(whole.result().to_json()) == whole.result()


def test_seeds_differ(small: TrialSubject) -> None:
    first, second = (finished(TrainingRun.start(small, original(small), s)) for s in (0, 1))
    assert bits(first) != bits(second)
    assert first.result().loss != second.result().loss


def test_the_callers_random_numbers_stay(small: TrialSubject) -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    TrainingRun.start(small, original(small), 0).advance(2)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_checkpoint_is_of_one_run(small: TrialSubject, tried: dict[str, Variant]) -> None:
    run = TrainingRun.start(small, tried["original"], 0)
    run.advance(1)
    stored = run.checkpoint()
    for variant, seed in (("original", 1), ("double", 0)):
        with pytest.raises(CheckpointError, match="another run"):
            TrainingRun.resume(small, tried[variant], seed, stored)
    other = replace(small, options=replace(small.options, holdout=0.3))
    with pytest.raises(CheckpointError, match="another run"):
        TrainingRun.resume(other, tried["original"], 0, stored)
    for broken in (b"", stored[:200], b"PK" + stored[2:100]):
        with pytest.raises(CheckpointError, match="no checkpoint"):
            TrainingRun.resume(small, tried["original"], 0, broken)


def test_a_checkpoint_must_be_whole(small: TrialSubject) -> None:
    run = TrainingRun.start(small, original(small), 0)
    run.advance(1)
    whole = Checkpoint.of_bytes(run.checkpoint())
    tensors = {name: tensor for name, tensor in whole.tensors.items() if "0.weight" not in name}
    less = {name: value for name, value in whole.header.items() if name != "step"}
    for part in (Checkpoint(whole.header, tensors), Checkpoint(less, whole.tensors)):
        with pytest.raises(CheckpointError, match="not whole"):
            TrainingRun.resume(small, original(small), 0, part.to_bytes())


def test_a_pickle_is_no_checkpoint(tmp_path: Any) -> None:
    path = tmp_path / "evil.npz"
    np.savez(path, header=np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError):
        Checkpoint.of_bytes(path.read_bytes())


def test_expand_prune_ends_within_the_originals_size(
    small: TrialSubject, tried: dict[str, Variant]
) -> None:
    for kind in ("parameters", "macs"):
        options = replace(small.options, fine_tune=replace(small.options.fine_tune, prune_to=kind))
        run = TrainingRun.start(replace(small, options=options), tried["double.expand_prune"], 0)
        run.advance(6)
        wide = run.result()
        assert wide.parameters == tried["double"].parameters > tried["original"].parameters
        result = finished(run).result()
        assert getattr(result, kind) <= getattr(tried["original"], kind)
        assert result.parameters < wide.parameters
        held = sum(
            t.numel()
            for name, t in run.trained().network.tensors.items()
            if name in run.trained().network.parameters
        )
        assert result.parameters == held
        points = [(point.step, point.train_loss is None) for point in result.curve]
        assert points == [(6, False), (6, True), (12, False)]


def test_the_trained_network_can_be_saved(
    small: TrialSubject, tried: dict[str, Variant], tmp_path: Any
) -> None:
    trained = finished(TrainingRun.start(small, tried["double.expand_prune"], 0)).trained()
    trained.save(tmp_path / "net.pt2")
    images = small.load(np.arange(5)).inputs[0]
    expected = trained.network(images)[0]
    reread = torch.export.load(tmp_path / "net.pt2").module()
    torch.testing.assert_close(reread(images), expected)
    torch.testing.assert_close(trained.module()(images), expected)


def test_the_split_is_the_same_for_all_variants(
    small: TrialSubject, tried: dict[str, Variant]
) -> None:
    runs = [TrainingRun.start(small, variant, 3) for variant in tried.values()]
    assert len(runs) == 4
    parts = [(run._split.train.tolist(), run._split.held_out.tolist()) for run in runs]
    assert all(part == parts[0] for part in parts)
    assert sorted(parts[0][0] + parts[0][1]) == list(range(60))
    assert small.split(4).held_out.tolist() != parts[0][1]


def test_a_loss_that_is_no_number_ends_the_run_with_its_reason() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1))
    recipe = {"optimizer": "sgd", "learning_rate": 90, "steps": 400, "schedule": "constant"}
    trial = subject_of(module, torch.randn(20, 2), torch.randn(20, 1), loss="mse", recipe=recipe)
    run = finished(TrainingRun.start(trial, original(trial), 0))
    result = run.result()
    assert (run.done, result.loss, result.accuracy) == (True, None, None)
    assert 0 < run.step < 400
    assert result.error is not None
    assert f"after step {run.step} of 400" in result.error
    assert "choose a lower recipe.learning_rate" in result.error
    again = TrainingRun.resume(trial, original(trial), 0, run.checkpoint())
    assert again.done
    assert again.result() == result


def test_from_scratch_the_uploads_weights_do_not_matter(small: TrialSubject) -> None:
    other = replace(small, network=small.network.map_tensors(lambda tensor: tensor * 0 + 1))
    first, second = (finished(TrainingRun.start(s, original(s), 2)) for s in (small, other))
    assert bits(first) == bits(second)
    assert (first.result().curve[0].train_loss or 0) > 0


def test_copies_that_preserve_are_told_apart() -> None:
    trial = subject(recipe={**RECIPE, "start": "upload"}, inits=["preserve", "fresh"])
    doubled = np.where(trial.channels.groups == 0, 2, 1)
    found = {variant.name: variant for variant in variants(trial, {"double": doubled})[0]}
    assert list(found) == [
        "original",
        *(f"{name}.{init}" for name in ("double", "uniform.double", "double.expand_prune")
          for init in ("preserve", "fresh")),
    ]  # fmt: skip
    images = trial.load(np.arange(8)).inputs[0]
    expected = trial.network(images)[0]
    preserved = found["double.preserve"].build(trial, 0)
    weight = preserved.tensors["0.weight"]
    assert weight.shape[0] == 12
    assert len(np.unique(weight.flatten(1).numpy(), axis=0)) == 12
    difference = (preserved(images)[0] - expected).abs().max()
    assert 0 < difference < 0.1 * expected.abs().max()
    fresh = found["double.fresh"].build(trial, 0)
    assert (fresh(images)[0] - expected).abs().max() > difference


def test_variants_that_are_the_original_are_left_out(small: TrialSubject) -> None:
    ones = np.ones(len(small.channels), np.int64)
    doubled = np.where(small.channels.groups == 0, 2, ones)
    chosen, left_out = variants(small, {"advise": ones, "double": doubled})
    assert [variant.name for variant in chosen] == [
        "original", "double", "uniform.double", "double.expand_prune"
    ]  # fmt: skip
    assert left_out["advise"] == "it is the original: no width changes"
    uniform = chosen[2]
    assert chosen[0].parameters < uniform.parameters <= chosen[1].parameters
    assert Variant.from_json(uniform.to_json()) == uniform
    with pytest.raises(TrialError, match="nothing to try"):
        variants(small, {"advise": ones})
