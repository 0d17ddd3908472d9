"""Parquet files: what reads, and the answer to everything else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.support.datasets import encoded, gray_images, read
from worker.errors import RefusedError
from worker.formats import parquet_file

PIXELS, CLASSES = gray_images(12)
NUMBERS = np.random.default_rng(0).standard_normal((12, 3))


def written(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def images(field: str = "bytes") -> pa.Array:
    cells = [{field: encoded(image), "path": f"{i}.png"} for i, image in enumerate(PIXELS)]
    return pa.array(cells)


def drawn(path: Path, *index: int, name: str = "x", **transform: Any) -> Any:
    samples = read(path, **transform).only(np.array(index))
    return samples.inputs[name].batch(slice(None), torch.float64).numpy(), samples.targets


def refused(path: Path, **transform: Any) -> str:
    with pytest.raises(RefusedError) as refusal:
        everything(path, **transform)
    assert refusal.value.slug == "dataset-invalid"
    return refusal.value.detail


def everything(path: Path, **transform: Any) -> None:
    samples = read(path, **transform)
    for stored in samples.only(np.arange(len(samples))).inputs.values():
        stored.batch(slice(None), torch.float32)


@pytest.mark.parametrize("rows", [2, 5, 100])
def test_numbers_are_one_input(rows: int, tmp_path: Path) -> None:
    a, b = NUMBERS[:, 0], NUMBERS[:, 1].astype("f2")
    columns = {"a": a, "b": b, "label": CLASSES, "text": ["x"] * 12}
    path = written(tmp_path / "d", columns, row_group_size=rows)
    x, y = drawn(path, 11, 3, 3, 0)
    expected = np.stack([a, b.astype("f8")], 1)
    np.testing.assert_array_equal(x, expected[[11, 3, 3, 0]])
    assert y.tolist() == CLASSES[[11, 3, 3, 0]].tolist()
    assert read(path).left_out == 1


@pytest.mark.parametrize("struct", [True, False])
@pytest.mark.parametrize("rows", [5, 100])
def test_images_as_hugging_face_writes_them(struct: bool, rows: int, tmp_path: Path) -> None:
    column = images() if struct else pa.array([encoded(image) for image in PIXELS])
    columns = {"image": column, "label": CLASSES}
    path = written(tmp_path / "d", columns, row_group_size=rows)
    x, y = drawn(path, 7, 1, 1, name="image")
    np.testing.assert_allclose(x, PIXELS[[7, 1, 1]][:, None] / 255, atol=1e-15)
    assert y.tolist() == CLASSES[[7, 1, 1]].tolist()
    assert read(path).inputs["image"].column.describe() == {"shape": [1, 8, 8], "dtype": "uint8"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat", "dog"], ("cat", "dog")),
        (["a\x00", "\ud800", "größe"], (r"a\x00", r"\ud800", "größe")),  # a database holds them
        (["cat", 3], None),
        ("cat", None),
        ({"0": "cat"}, None),
    ],
)
def test_names_of_classes(names: Any, expected: tuple[str, ...] | None, tmp_path: Path) -> None:
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    assert (
        read(_with_metadata(tmp_path / "d", {"info": {"features": features}})).classes == expected
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"info": 3}', '{"info": {"features": []}}', "[" * 99])
def test_metadata_that_says_no_names(text: str, tmp_path: Path) -> None:
    assert read(_with_metadata(tmp_path / "d", text)).classes is None


def _with_metadata(path: Path, value: Any) -> Path:
    text = value if isinstance(value, str) else json.dumps(value)
    table = pa.table({"image": images(), "label": CLASSES})
    pq.write_table(table.replace_schema_metadata({"huggingface": text}), path)
    return path


def test_lists_of_one_length_and_in_lists(tmp_path: Path) -> None:
    columns = {
        "row": pa.array(list(NUMBERS)),
        "fixed": pa.FixedSizeListArray.from_arrays(pa.array(NUMBERS.ravel()), 3),
        "grid": pa.array([image.tolist() for image in PIXELS], pa.list_(pa.list_(pa.uint8()))),
        "y": CLASSES,
    }
    path = written(tmp_path / "d", columns, row_group_size=5)
    for name, expected in (("row", NUMBERS), ("fixed", NUMBERS), ("grid", PIXELS / 255)):
        transform = {"inputs": ["grid"]}
        np.testing.assert_allclose(drawn(path, 9, 2, name=name, **transform)[0], expected[[9, 2]])


TOKENS = [list(range(1, 2 + i % 4)) for i in range(12)]


def test_tokens_are_cut_and_padded(tmp_path: Path) -> None:
    columns = {"ids": TOKENS, "mask": [[1] * len(row) for row in TOKENS], "labels": TOKENS}
    path = written(tmp_path / "d", columns)
    described = read(path).inputs["ids"].column.describe()
    assert described == {"shape": [None], "dtype": "int64", "lengths": [1, 4]}
    assert "The lists of 'ids' differ" in refused(path)
    samples = read(path, length=3, pad={"ids": 9}).only(np.array([3, 0]))
    ids, mask = (of.batch(slice(None), torch.int64).tolist() for of in samples.inputs.values())
    assert ids == [[1, 2, 3], [1, 9, 9]]
    assert mask == [[1, 1, 1], [1, 0, 0]]
    assert samples.targets.tolist() == [[1, 2, 3], [1, -100, -100]]


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"a": NUMBERS[:, 0]}, "needs a column of targets: y, labels"),
        ({"label": CLASSES}, "has no column of numbers, lists or images"),
        ({"label": CLASSES, "t": ["x"] * 12}, "has no column of numbers, lists or images"),
        ({"label": CLASSES, "a": [None, *range(11)]}, "'a' has empty cells"),
        ({"label": CLASSES, "a": [[None], *[[1]] * 11]}, "'a' has empty cells"),
        ({"label": CLASSES, "a": [np.nan, *[0.0] * 11]}, "x holds NaN or infinity"),
        ({"label": CLASSES, "a": [[np.inf]] * 12}, "a holds NaN or infinity"),
        ({"label": CLASSES, "a": [[[1], [1, 2]]] * 12}, "have different lengths"),
        ({"label": CLASSES, "a": [[1], *[[1, 2]] * 11]}, "The lists of 'a' differ"),
        ({"label": CLASSES, "a": [b"no image"] * 12}, "'a of row 0' is no PNG or JPEG"),
        ({"label": CLASSES, "a": images("data")}, "has no column of numbers, lists or images"),
        ({"label": [], "a": []}, "needs a column of targets|empty"),
        ({f"i{i}": [[1.0]] * 2 for i in range(17)} | {"y": [0, 1]}, "17 arrays beside"),
    ],
)
def test_what_is_unusable(columns: dict[str, Any], text: str, tmp_path: Path) -> None:
    assert any(part in refused(written(tmp_path / "d", columns)) for part in text.split("|"))


def test_an_image_that_is_only_named_is_refused(tmp_path: Path) -> None:
    type_ = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = pa.array([{"bytes": None, "path": "/etc/passwd"}] * 12, type_)
    path = written(tmp_path / "d", {"image": cells, "label": CLASSES})
    assert "names a file, but holds none" in refused(path)


def test_a_dictionary_bomb_is_refused_by_its_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One number, repeated: a file of some thousand bytes."""
    count = 3_000_000
    columns = {"a": np.zeros(count), "label": np.zeros(count, np.int8)}
    path = written(tmp_path / "d", columns, compression="zstd")
    assert path.stat().st_size < 30_000
    monkeypatch.setattr(parquet_file, "MAX_BYTES", 8_000_000)
    assert "has 3,000,000 values" in refused(path)


@pytest.mark.parametrize(
    ("limit", "text"),
    [("MAX_ROWS", "has 12 rows"), ("MAX_COLUMNS", "has 2 columns"), ("MAX_GROUPS", "3 row groups")],
)
def test_counts_have_limits(
    limit: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "d", {"a": NUMBERS[:, 0], "y": CLASSES}, row_group_size=5)
    monkeypatch.setattr(parquet_file, limit, 1)
    assert text in refused(path)


def test_the_footer_has_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "d"
    for size in (1 << 31, 400, 0):
        path.write_bytes(b"PAR1" + bytes(300) + size.to_bytes(4, "little") + b"PAR1")
        refused(path)
    path.write_bytes(b"PAR1" + bytes(300))
    assert "cut off, or encrypted" in refused(path)


def test_only_row_groups_with_drawn_rows_are_read(tmp_path: Path) -> None:
    columns = {"a": pa.array(list(NUMBERS)), "y": CLASSES}
    path = written(tmp_path / "d", columns, row_group_size=4, use_dictionary=False)
    table = parquet_file.open_table(path)
    read_rows = [start for start, _ in table.parts("a", np.array([1, 9]))]
    assert read_rows == [0, 8]


def test_mutants_are_read_or_refused(tmp_path: Path) -> None:
    columns = {"image": images(), "ids": TOKENS, "label": CLASSES}
    path = tmp_path / "mutant"
    original = written(path, columns, row_group_size=5).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        mutant = bytearray(original)
        for place in rng.integers(len(mutant) // 2, len(mutant), rng.integers(1, 4)):
            mutant[place] = rng.integers(256)
        path.write_bytes(mutant)
        try:
            everything(path, length=3)
        except RefusedError:
            continue
