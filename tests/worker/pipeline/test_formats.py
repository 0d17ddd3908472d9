"""The same images in every format give the same analysis, to the last digit."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from tests.support import datasets
from worker.errors import RefusedError
from worker.pipeline import steps
from worker.pipeline.ahead import read_ahead

PIXELS, CLASSES = datasets.gray_images(120)
CLASSES = np.sort(CLASSES)  # the order of folders
REQUEST = {"method": "sosp_i", "max_samples": 90, "plans": [], "batch_size": 8}


def parquet(path: Path) -> Path:
    cells = [{"bytes": datasets.encoded(image), "path": None} for image in PIXELS]
    pq.write_table(pa.table({"image": cells, "label": CLASSES}), path, row_group_size=50)
    return path


FORMATS: dict[str, Any] = {
    "zip": lambda p: datasets.zipped(p, datasets.in_folders(PIXELS, CLASSES)),
    "tar.gz": lambda p: datasets.tarred(p, datasets.in_folders(PIXELS, CLASSES), "w:gz"),
    "shard": lambda p: datasets.tarred(p, datasets.shard(PIXELS, CLASSES)),
    "parquet": parquet,
    "safetensors": lambda p: datasets.safetensors(p, x=PIXELS[:, None], y=CLASSES),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16, 5))
    path = tmp_path_factory.mktemp("model") / "net.pt2"
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    example = torch.randn(2, 1, 6, 6)
    torch.export.save(torch.export.export(module.eval(), (example,), dynamic_shapes=shapes), path)
    return str(path)


TRANSFORM = {"resize": 7, "crop": 6, "mean": [0.3], "std": [0.2]}


def analysed(model: str, path: Path, **transform: Any) -> dict[str, Any]:
    declared = TRANSFORM | transform
    planned = steps.plan(model, str(path), declared, REQUEST)
    parts = [steps.shard(model, str(path), declared, REQUEST, *s) for s in planned["shards"]]
    result = steps.reduce(model, str(path), declared, REQUEST, parts, str(path.parent))
    assert result["provenance"]["transform"]["crop"] == declared["crop"]
    return {name: result[name] for name in ("layers", "structures", "summary")}


@pytest.fixture(scope="module")
def expected(model: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez_compressed(path, x=PIXELS[:, None], y=CLASSES)
    return analysed(model, path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_changes_nothing(
    name: str, model: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    assert analysed(model, FORMATS[name](tmp_path / "data")) == expected


def test_what_does_not_become_equal_is_refused(model: str, tmp_path: Path) -> None:
    path = FORMATS["zip"](tmp_path / "data")
    with pytest.raises(RefusedError, match="`crop` is 9 × 9, but an image has 7 × 7 pixels"):
        analysed(model, path, crop=9)


def test_an_inspection_shows_one_sample(tmp_path: Path) -> None:
    path = FORMATS["zip"](tmp_path / "data")
    inspected = steps.inspect_dataset(str(path), TRANSFORM)
    assert inspected["class_names"] == [f"class-{c}" for c in range(5)]
    assert sum(inspected["counts"].values()) == inspected["samples"] == 120
    first = inspected["first_sample"]
    assert first["shape"] == [1, 6, 6]
    head, data = first["thumbnail"].split(",")
    assert head == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (image.size, image.mode) == ((6, 6), "L")
    light = np.asarray(image)
    assert (light.min(), light.max()) == (0, 255)


def test_reading_ahead_raises_when_it_is_due() -> None:
    seen: list[int] = []

    def load(piece: int) -> int:
        return 6 // piece

    with pytest.raises(ZeroDivisionError):
        seen.extend(read_ahead(load, [3, 2, 0, 1]))
    assert [*read_ahead(load, [3, 2, 1])] == [2, 3, 6]
