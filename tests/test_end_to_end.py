"""The whole way: files over real HTTP, real worker processes, a planted narrow layer found.

On the embedded pair (SQLite, folder broker) and on PostgreSQL with Redis.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from narrows.client import Analysis, Client, TimedOutError
from narrows.client.types import Transform
from service.cli.report_summary import summary_of
from tests.support.made_once import made_once
from tests.support.running import running, wait_until
from tests.support.s3 import s3_server
from tests.support.several_inputs import Fusion, Masked, fusion_data, masked_data
from worker.cli.export import export_module
from worker.demo import network as demo_network
from worker.demo.network import DigitsNet, digits, train

ROOT = Path(__file__).parents[1]
POSITIONS = {"first": 0, "middle": 2, "last": 4}
NARROW, WIDE = 6, 32
SCALE: Transform = {"scale": 1 / 16}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained network for each position of the narrow layer, and their data."""
    folder = tmp_path_factory.mktemp("trained")
    for name, position in POSITIONS.items():
        torch.manual_seed(0)
        network = DigitsNet([NARROW if i == position else WIDE for i in range(5)])
        weights = made_once(
            f"{name}.pt", partial(train_and_save, network), [demo_network, sys.modules[__name__]]
        )
        network.load_state_dict(torch.load(weights))
        export_module(network, (torch.zeros(2, 1, 8, 8),), folder / f"{name}.pt2")
    x, y = digits()
    np.savez_compressed(folder / "digits.npz", x=x, y=y)
    return folder


def train_and_save(network: DigitsNet, path: Path) -> None:
    *_, accuracy = train(network)
    assert accuracy > 0.85
    torch.save(network.state_dict(), path)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running({}, tmp_path_factory.mktemp("embedded")) as client:
        yield client


def finished(client: Client, model: Path, dataset: Path, **options: Any) -> Analysis:
    model_id = client.models.upload(model).id
    dataset_id = client.datasets.upload(dataset, transform=SCALE).id
    asked = client.analyses.create(model_id=model_id, dataset_id=dataset_id, **options)
    return asked.wait()


def assert_found(client: Client, trained: Path, name: str) -> Analysis:
    analysis = finished(client, trained / f"{name}.pt2", trained / "digits.npz")
    planted = f"features.conv{POSITIONS[name] + 1}"
    assert analysis.state == "succeeded", analysis.error
    assert summary_of(analysis).bottlenecks == [planted]
    layers = {layer.name: layer for layer in analysis.layers}
    ratio = layers[planted].pruning_ratio
    assert ratio is not None
    assert ratio <= 0.35
    assert layers[planted].width == NARROW
    plans = {plan.name: plan for plan in analysis.plans}
    assert plans.keys() == {"double", "uniform", "reallocate"}
    assert [layer.new_width for layer in plans["double"].layers] == [2 * NARROW]
    return analysis


@pytest.mark.parametrize("name", POSITIONS)
def test_a_planted_narrow_layer_is_found(embedded: Client, trained: Path, name: str) -> None:
    analysis = assert_found(embedded, trained, name)
    assert (analysis.progress.stage, analysis.progress.done, analysis.progress.total) == (
        "done", 4, 4,
    )  # fmt: skip
    structures = [*analysis.structures]
    assert len(structures) == summary_of(analysis).structures == 4 * WIDE + NARROW
    saliencies = [s.saliency for s in sorted(structures, key=lambda s: s.rank)]
    assert saliencies == sorted(saliencies)


def test_follow_ups_give_the_same_without_the_data(
    embedded: Client, trained: Path, tmp_path: Path
) -> None:
    source = assert_found(embedded, trained, "middle")
    again = embedded.analyses.create_follow_up(source.id).wait()
    assert (again.state, again.source_id) == ("succeeded", source.id)
    assert [*again.layers] == [*source.layers]
    assert [*again.structures] == [*source.structures]
    assert [*again.plans] == [*source.plans]
    own = embedded.analyses.create_plan(again.id, factors={"features.conv3": 2.0}).wait()
    (plan,), (double, *_) = own.plans, source.plans
    assert (plan.layers, plan.macs) == (double.layers, double.macs)
    built = embedded.analyses.create_build(source.id, plan="double").wait()
    embedded.analyses.download(built.id, "double.pt2", tmp_path)
    assert torch.export.load(tmp_path / "double.pt2").module()(torch.zeros(2, 1, 8, 8)).shape


def test_postgresql_and_redis_give_the_same(
    embedded: Client, trained: Path, tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    expected = assert_found(embedded, trained, "middle")
    urls = {"NARROWS_DATABASE_URL": postgres_url, "NARROWS_BROKER_URL": redis_url}
    with running({**urls, "NARROWS_SECRET": 40 * "s"}, tmp_path) as client:
        actual = assert_found(client, trained, "middle")
        assert actual.summary == expected.summary
        assert [*actual.layers] == [*expected.layers]
        assert [*actual.structures] == [*expected.structures]


def test_files_on_s3_give_the_same(embedded: Client, trained: Path, tmp_path: Path) -> None:
    expected = assert_found(embedded, trained, "middle")
    with (
        s3_server() as s3,
        running({"NARROWS_STORAGE_URL": s3.url, **s3.environment}, tmp_path) as client,
    ):
        actual = assert_found(client, trained, "middle")
        assert actual.summary == expected.summary
        assert [*actual.structures] == [*expected.structures]
        with s3.away():  # the worker has copies of what it reads, and must write what it builds
            asked = client.analyses.create(
                model_id=actual.model_id, dataset_id=actual.dataset_id, build=["double"]
            )
            wait_until(lambda: asked.refresh().state == "reducing")
            with pytest.raises(TimedOutError, match="is reducing after 5 s"):
                asked.wait(timeout=5)
        analysis = asked.wait()
        assert analysis.state == "succeeded", analysis.error
        client.analyses.download(asked.id, "double.pt2", tmp_path / "double.pt2")
        assert torch.export.load(tmp_path / "double.pt2").module()(torch.zeros(2, 1, 8, 8)).shape
        assert len(s3.keys()) == 5  # two of them for follow-ups, the same for both analyses
        assert s3.unfinished() == []


@pytest.mark.parametrize("names", [("ids", "mask"), ("x0", "x1")])
def test_ids_and_a_mask_with_a_loss_of_tokens(
    embedded: Client, tmp_path: Path, names: tuple[str, str]
) -> None:
    ids, mask, tags = masked_data(64)
    examples = torch.from_numpy(ids[:2]), torch.from_numpy(mask[:2])
    export_module(Masked(), examples, tmp_path / "tagger.pt2")
    arrays: dict[str, Any] = {names[0]: ids, names[1]: mask, "y": tags}
    np.savez(tmp_path / "tags.npz", **arrays)
    options = {"build": ["pruned"]}
    analysis = finished(embedded, tmp_path / "tagger.pt2", tmp_path / "tags.npz", **options)
    assert analysis.state == "succeeded", analysis.error
    assert summary_of(analysis).samples == 64
    layers = {layer.name: layer.reason for layer in analysis.layers}
    assert [name for name, reason in layers.items() if reason is None] == ["embed", "hidden"]
    embedded.analyses.download(analysis.id, "pruned.pt2", tmp_path / "pruned.pt2")
    pruned = torch.export.load(tmp_path / "pruned.pt2").module()
    assert pruned(*examples).shape == (2, *tags.shape[1:], 5)


def test_an_image_and_a_table(embedded: Client, tmp_path: Path) -> None:
    image, table, classes = fusion_data(64)
    examples = torch.from_numpy(image[:2]), torch.from_numpy(table[:2])
    export_module(Fusion(), examples, tmp_path / "fusion.pt2")
    np.savez(tmp_path / "data.npz", table=table, image=image, y=classes)
    analysis = finished(embedded, tmp_path / "fusion.pt2", tmp_path / "data.npz")
    assert analysis.state == "succeeded", analysis.error
    np.savez(tmp_path / "data.npz", image=image, y=classes)
    analysis = finished(embedded, tmp_path / "fusion.pt2", tmp_path / "data.npz")
    error: Any = analysis.error
    assert error.type == "urn:narrows:problem:shapes-do-not-fit"
    assert "no array 'table'" in error.detail


class Unsupported(nn.Module):
    """Ends in an operator that no table lists."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.Sequential(nn.FractionalMaxPool2d(2, output_size=2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(x)


def bad_models(folder: Path) -> Iterator[tuple[str, Path, str, str]]:
    """Yield (name, file, slug, what its detail says) of uploads that are no use."""
    path = folder / "text.pt2"
    path.write_text("not a zip")
    yield "not a zip", path, "not-an-archive", "torch.export"
    path = folder / "checkpoint.pt"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    yield "checkpoint", path, "pickle-checkpoint", "narrows export"
    path = folder / "unsupported.pt2"
    torch.export.save(torch.export.export(Unsupported(), (torch.randn(1, 3, 4, 4),)), path)
    yield "operator", path, "operator-not-supported", "aten.rand.default in module 'pool.0'"
    path = folder / "single.pt2"
    torch.export.save(torch.export.export(nn.Linear(4, 2), (torch.randn(2, 4),)), path)
    yield "nothing to prune", path, "nothing-to-prune", "the network's outputs"


def test_bad_models_are_rejected_and_say_why(embedded: Client, tmp_path: Path) -> None:
    for name, path, slug, text in bad_models(tmp_path):
        *_, model = embedded.models.watch(embedded.models.upload(path).id)
        assert model.state == "rejected", name
        error: Any = model.error
        assert error.type == f"urn:narrows:problem:{slug}", name
        assert text in error.detail, name


@pytest.mark.parametrize(
    ("arrays", "slug", "text"),
    [
        ({"x": np.full((8, 1, 8, 8), np.nan), "y": np.zeros(8, int)}, "dataset-invalid", "NaN"),
        ({"x": np.zeros((0, 1, 8, 8)), "y": np.zeros(0, int)}, "dataset-invalid", "empty"),
    ],
    ids=["NaN", "empty"],
)
def test_bad_datasets_are_rejected_and_say_why(
    embedded: Client, tmp_path: Path, arrays: dict[str, Any], slug: str, text: str
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    *_, dataset = embedded.datasets.watch(embedded.datasets.upload(tmp_path / "data.npz").id)
    error: Any = dataset.error
    assert (dataset.state, error.type) == ("rejected", f"urn:narrows:problem:{slug}")
    assert text in error.detail


@pytest.mark.parametrize(
    ("arrays", "slug", "text"),
    [
        ({"x": np.zeros((8, 1, 8, 8)), "y": np.full(8, 10)}, "targets-do-not-fit", "0 … 9"),
        ({"x": np.zeros((8, 3, 8, 8)), "y": np.zeros(8, int)}, "shapes-do-not-fit", "3, 8, 8"),
    ],
    ids=["labels out of range", "shapes"],
)
def test_what_does_not_fit_fails_and_says_why(
    embedded: Client, trained: Path, tmp_path: Path, arrays: dict[str, Any], slug: str, text: str
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    analysis = finished(embedded, trained / "middle.pt2", tmp_path / "data.npz")
    error: Any = analysis.error
    assert (analysis.state, error.type) == (
        "failed",
        f"urn:narrows:problem:{slug}",
    )
    assert text in error.detail


def test_the_examples_of_the_client(
    embedded: Client,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(trained / "middle.pt2", tmp_path / "net.pt2")
    data = np.load(trained / "digits.npz")
    np.savez(tmp_path / "data.npz", x=data["x"][:256], y=data["y"][:256])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NARROWS_URL", embedded.url)
    key = embedded._connection.http.headers["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("NARROWS_API_KEY", key)
    text = (ROOT / "docs" / "client.md").read_text()
    names: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(example, names)
    names["client"].close()
    names["patient"].close()
    said = capsys.readouterr().out
    assert "features.conv3 6 " in said
    assert f"{embedded.url}/analyses/ana_" in said
    assert "Not found There is no model" in said
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "double.pt2").exists()
