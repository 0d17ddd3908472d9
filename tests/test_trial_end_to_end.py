"""A trial on digits, from files over real HTTP to gains; SQLite, and PostgreSQL with Redis.

It is run twice: in one go, and in segments after each of which any of two workers goes on.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from narrows.client import Client, Trial
from narrows.client.types import Transform, TrialRun
from tests.support.running import running
from worker.cli.export import export_module
from worker.demo.network import DigitsNet, digits

SCALE: Transform = {"scale": 1 / 16}
WIDER: Any = [{"name": "wider", "factors": {"features.conv3": 4.0}}]
ASKED: Any = {
    "plans": WIDER, "seeds": [0, 1], "recipe": {"epochs": 3, "learning_rate": 0.01},
    "max_samples": 600,
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network that has a narrow layer, and digits."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    network = DigitsNet([8, 8, 2, 8, 8])
    export_module(network, (torch.zeros(2, 1, 8, 8),), folder / "net.pt2")
    x, y = digits()
    np.savez_compressed(folder / "digits.npz", x=x, y=y)
    return folder


Tried = tuple[Trial, list[TrialRun]]
"""A trial at its end, with its runs."""


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running({}, tmp_path_factory.mktemp("embedded")) as client:
        yield client


def tried(client: Client, files: Path) -> Tried:
    """Return a trial at its end, with its runs."""
    model = client.models.upload(files / "net.pt2").id
    dataset = client.datasets.upload(files / "digits.npz", transform=SCALE).id
    made = client.trials.create(model_id=model, dataset_id=dataset, **ASKED)
    trial = client.trials.wait(made.id)
    assert trial.state == "succeeded", trial.error
    return trial, [*trial.runs]


@pytest.fixture(scope="module")
def result(embedded: Client, files: Path) -> Tried:
    return tried(embedded, files)


def found(result: Tried) -> Any:
    """Return what must not depend on who computed it, nor in how many segments."""
    names = ("variant", "seed", "state", "step", "curve", "loss", "accuracy", "parameters", "macs")
    return result[0].summary, [{name: getattr(run, name) for name in names} for run in result[1]]


def test_gains_of_digits(embedded: Client, result: Tried, tmp_path: Path) -> None:
    trial, runs = result
    names = ["original", "wider", "uniform.wider", "wider.expand_prune"]
    summary: Any = trial.summary
    variants = {row.name: row for row in summary.variants}
    assert list(variants) == names
    assert [(run.variant, run.seed) for run in runs] == [(n, s) for s in (0, 1) for n in names]
    assert {run.state for run in runs} == {"done"}
    total = trial.progress.steps_total
    assert trial.progress.to_dict() == {
        "stage": "done", "done": 8, "total": 8, "steps_done": total, "steps_total": total,
        "seconds_left": None,
    }  # fmt: skip
    for name in names[1:]:
        pairs = zip(_losses(runs, "original"), _losses(runs, name), strict=True)
        gain = variants[name].gain
        assert gain.value == pytest.approx(np.mean([before - after for before, after in pairs]))
        assert gain.interval[0] < gain.value < gain.interval[1]
    size = {name: variants[name].parameters for name in names}
    assert size["wider.expand_prune"] <= size["original"] < size["uniform.wider"] <= size["wider"]
    assert "batch_norm" in {call.op for call in summary.put_back}
    assert [item.name for item in embedded.trials.artifacts(trial.id)] == [
        f"run-{index}.pt2" for index in range(8)
    ]
    path = embedded.trials.download(trial.id, "run-1.pt2", tmp_path)
    network = torch.export.load(path)
    assert network.state_dict["features.conv3.weight"].shape[0] == 8
    analysis = embedded.analyses.retrieve(trial.analysis_id)
    assert (analysis.state, analysis.request["plans"]) == ("succeeded", WIDER)


def _losses(runs: list[TrialRun], variant: str) -> list[Any]:
    return [run.loss for run in runs if run.variant == variant]


def test_the_plans_of_an_analysis_give_the_same(embedded: Client, result: Tried) -> None:
    asked = {name: value for name, value in ASKED.items() if name != "plans"}
    made = embedded.trials.create(analysis_id=result[0].analysis_id, **asked)
    trial = embedded.trials.wait(made.id)
    assert trial.summary == result[0].summary


def test_segments_on_postgresql_and_redis_give_the_same(
    result: Tried, files: Path, tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    environment = {
        "NARROWS_DATABASE_URL": postgres_url, "NARROWS_BROKER_URL": redis_url,
        "NARROWS_SECRET": 40 * "s", "NARROWS_CHECKPOINT_SECONDS": "0.05",
    }  # fmt: skip
    with running(environment, tmp_path) as client:
        again = tried(client, files)
    assert found(again) == found(result)
    assert sum(run.segment for run in again[1]) > sum(run.segment for run in result[1])


def test_a_trial_that_can_not_be_held_says_why(embedded: Client, result: Tried) -> None:
    analysis = result[0].analysis_id
    made = embedded.trials.create(analysis_id=analysis, max_samples=8)
    trial = embedded.trials.wait(made.id)
    assert trial.state == "failed"
    error: Any = trial.error
    assert error.type == "urn:narrows:problem:trial-impossible"
    assert "fewer than a batch" in error.detail


def test_a_rate_that_diverges_fails_its_runs(embedded: Client, result: Tried) -> None:
    recipe: Any = {"optimizer": "sgd", "learning_rate": 100.0, "weight_decay": 100.0}
    analysis = result[0].analysis_id
    made = embedded.trials.create(analysis_id=analysis, recipe=recipe, variants=["plan"], seeds=[7])
    trial = embedded.trials.wait(made.id)
    assert trial.state == "failed"
    error: Any = trial.error
    assert error.type == "urn:narrows:problem:all-runs-failed"
    runs = [*trial.runs]
    assert [run.state for run in runs] == ["failed", "failed"]
    assert all(run.error and run.error.detail in error.detail for run in runs[:1])
