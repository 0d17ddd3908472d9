"""What the child computes for trials, on real files: plans, segments of trainings, gains."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from narrows.options import AnalysisOptions
from service.settings import Settings
from worker.errors import RefusedError
from worker.formats import pt2
from worker.pipeline import steps, trials

Json = dict[str, Any]
TRANSFORM = {"scale": 0.5}
REQUEST: Json = {
    "model_id": "mdl_1", "dataset_id": "dst_1", "analysis_id": None, "plans": ["double"],
    "variants": ["plan", "expand_prune"], "seeds": [0, 1], "threads": 1,
    "recipe": {"epochs": 3, "learning_rate": 0.01, "batch_size": 32},
}  # fmt: skip
ANALYSED: Json = {"exclude": []}


class Files:
    """A network and its data, what an analysis says of them, and a folder for each segment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(6, 3, 3),
            nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4, 4),
        )  # fmt: skip
        free = ({0: torch.export.Dim.DYNAMIC},)
        inputs = (torch.zeros(2, 1, 6, 6),)
        torch.export.save(
            torch.export.export(network.eval(), inputs, dynamic_shapes=free), folder / "m.pt2"
        )
        rng = np.random.default_rng(0)
        y = rng.integers(0, 4, 240)
        x = rng.random((240, 1, 6, 6), np.float32) + y[:, None, None, None]
        np.savez(folder / "d.npz", x=x, y=y)
        self.paths = str(folder / "m.pt2"), str(folder / "d.npz")

    def plan(self, copies: list[int] | None, request: Json = REQUEST, **analysed: Any) -> Json:
        structures = 9 - 6 * (analysed.get("exclude") == ["0"])
        ranks = list(range(structures))
        terms = ANALYSED | analysed
        return steps.plan_trial(*self.paths, TRANSFORM, request, terms, ranks, {"double": copies})

    def segment(
        self, variant: Json, seed: int, checkpoint: str | None = None, request: Json = REQUEST
    ) -> tuple[Json, Path]:
        """Return what a segment returns, and the file that it wrote, if any."""
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir()
        result = steps.train(
            *self.paths, TRANSFORM, request, [], variant, seed, checkpoint, str(folder)
        )
        json.dumps(result, allow_nan=False)
        return result, folder / (result["file"] or "nothing")

    def run(self, variant: Json, seed: int, request: Json = REQUEST) -> tuple[Json, bytes, int]:
        """Return a run's result, the file of its network, and the number of segments."""
        checkpoint, segments = None, 0
        while True:
            result, path = self.segment(variant, seed, checkpoint, request)
            segments += 1
            if result["state"] != "running":
                return result, path.read_bytes() if result["file"] else b"", segments
            checkpoint = str(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def in_segments(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let a segment end as soon as it can."""
    settings = Settings(checkpoint_seconds=1e-9)
    monkeypatch.setattr(trials, "get_settings", lambda: settings)
    return monkeypatch


DOUBLE = [1] * 6 + [2] * 3


def test_a_plan_says_what_is_trained(files: Files) -> None:
    planned = files.plan(DOUBLE)
    names = ["original", "double", "double.expand_prune"]
    assert [variant["name"] for variant in planned["planned"]["variants"]] == names
    assert planned["runs"] == [{"variant": n, "seed": s} for s in (0, 1) for n in names]
    assert planned["steps"] == 3 * (240 * 4 // 5 // 32)
    assert {call["op"] for call in planned["planned"]["put_back"]} == {"batch_norm", "dropout"}
    json.dumps(planned, allow_nan=False)


def test_any_segments_give_the_same_bits(files: Files, in_segments: pytest.MonkeyPatch) -> None:
    variants = files.plan(DOUBLE)["planned"]["variants"]
    pieces = [files.run(variant, 1) for variant in variants]
    in_segments.undo()
    whole = [files.run(variant, 1) for variant in variants]
    assert [segments for *_, segments in pieces] == [5, 5, 5]
    assert [segments for *_, segments in whole] == [1, 1, 1]
    assert [(result, network) for result, network, _ in pieces] == [
        (result, network) for result, network, _ in whole
    ]


def test_the_trained_network_is_the_variant(files: Files, tmp_path: Path) -> None:
    _, variant, pruned = files.plan(DOUBLE)["planned"]["variants"]
    result, network, _ = files.run(variant, 0)
    (tmp_path / "trained.pt2").write_bytes(network)
    tensors = pt2.read(tmp_path / "trained.pt2").tensors
    assert tensors["4.weight"].shape == (6, 6, 3, 3)
    assert not torch.equal(tensors["1.running_mean"], torch.zeros(6))
    kept = [name for name in tensors if not name.startswith("1.running") and "num_" not in name]
    assert result["parameters"] == sum(tensors[name].numel() for name in kept)
    leaner, _, _ = files.run(pruned, 0)
    original = files.plan(DOUBLE)["planned"]["variants"][0]["parameters"]
    assert leaner["parameters"] <= original < result["parameters"]


def test_a_loss_that_diverges_ends_its_run(files: Files, in_segments: pytest.MonkeyPatch) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 100.0, "weight_decay": 100.0, "warmup": 0.0}
    request = REQUEST | {"recipe": wild}
    variant = files.plan(DOUBLE, request)["planned"]["variants"][1]
    result, network, _ = files.run(variant, 0, request)
    assert (result["state"], network) == ("failed", b"")
    assert result["error"]["type"] == "urn:narrows:problem:training-failed"
    assert "after step" in result["error"]["detail"]
    assert result["loss"] is None


def test_a_checkpoint_of_another_kind_begins_the_run_again(
    files: Files, in_segments: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variants = files.plan(DOUBLE)["planned"]["variants"]
    first, _ = files.segment(variants[0], 0)
    _, other = files.segment(variants[1], 0)
    (tmp_path / "damaged").write_bytes(b"no checkpoint")
    for checkpoint in (other, tmp_path / "damaged"):
        again, _ = files.segment(variants[0], 0, str(checkpoint))
        assert again == first


class TestRefusals:
    def test_an_analysis_of_an_older_version(self, files: Files) -> None:
        with pytest.raises(RefusedError, match="older version"):
            files.plan(None)

    def test_plans_that_change_nothing(self, files: Files) -> None:
        with pytest.raises(RefusedError, match="nothing to try"):
            files.plan([1] * 9)

    def test_too_few_samples_for_a_batch(self, files: Files) -> None:
        with pytest.raises(RefusedError, match="fewer than a batch") as caught:
            files.plan(DOUBLE, REQUEST | {"max_samples": 10})
        assert caught.value.slug == "trial-impossible"

    def test_a_loss_that_does_not_fit(self, files: Files) -> None:
        with pytest.raises(RefusedError, match="Reshape y"):
            files.plan(DOUBLE, REQUEST | {"loss": "mse"})


def test_excluded_layers_keep_their_width(files: Files) -> None:
    planned = files.plan([2] * 3, exclude=["0"])["planned"]
    assert planned["exclude"] == ["0"]
    assert planned["variants"][1]["copies"] == [2] * 3


def test_an_analysis_keeps_what_a_trial_builds(files: Files, tmp_path: Path) -> None:
    asked: Json = {"loss": "cross_entropy", "plans": [{"name": "mine", "factors": {"4": 2.0}}]}
    request = asked | {"exclude": [], "build": []}
    limits = steps.plan(*files.paths, TRANSFORM, request)["shards"]
    parts = [steps.shard(*files.paths, TRANSFORM, request, *of_shard) for of_shard in limits]
    result = steps.reduce(*files.paths, TRANSFORM, request, parts, str(tmp_path))
    assert AnalysisOptions.from_json(request).plan_names == ["mine"]
    assert [plan["copies"] for plan in result["plans"]] == [DOUBLE]


def test_gains_of_the_runs(files: Files) -> None:
    planned = files.plan(DOUBLE)
    runs = []
    for index, run in enumerate(planned["runs"]):
        numbers = {"loss": 1.0 - 0.1 * index, "accuracy": 0.5, "parameters": 9, "macs": 9}
        runs.append({**run, **numbers, "step": 9, "curve": [], "error": None, "device": "cpu"})
    error = {"detail": "it diverged"}
    runs[2] |= {"loss": None, "accuracy": None, "parameters": None, "curve": None, "error": error}
    result = steps.reduce_trial(*files.paths, TRANSFORM, REQUEST, planned["planned"], runs)
    original, double, pruned = result["summary"]["variants"]
    assert original["gain"] is None
    assert double["gain"]["value"] == pytest.approx(0.1)
    assert double["gain"]["count"] == 2
    assert pruned["gain"]["value"] == pytest.approx(0.2)
    assert pruned["errors"] == {0: "it diverged"}
    assert result["provenance"]["model_sha256"] == "m.pt2"
    lost = [run | {"loss": None, "error": error} for run in runs]
    with pytest.raises(RefusedError, match=r"All 6 runs failed.*it diverged"):
        steps.reduce_trial(*files.paths, TRANSFORM, REQUEST, planned["planned"], lost)
