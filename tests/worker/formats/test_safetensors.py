"""Safetensors files: what reads, and the answer to everything else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.datasets import read, safetensors
from worker.errors import RefusedError

X = np.random.default_rng(0).standard_normal((5, 3, 4)).astype(np.float32)
Y = np.array([3, 0, 1, 2, 2])


def refused(path: Path) -> str:
    with pytest.raises(RefusedError) as refusal:
        read(path)
    assert refusal.value.slug == "dataset-invalid"
    return refusal.value.detail


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.uint8, np.int16, np.bool_])
def test_arrays_come_back_as_saved(dtype: Any, tmp_path: Path) -> None:
    x = (X * 3).astype(dtype)
    samples = read(safetensors(tmp_path / "d", x=x, y=Y)).only(np.array([4, 0]))
    assert samples.targets.tolist() == [2, 3]
    np.testing.assert_array_equal(samples.inputs["x"].column.take(np.arange(2)), x[[4, 0]])


def test_bfloat16_becomes_what_torch_makes_of_it(tmp_path: Path) -> None:
    brain = torch.from_numpy(X).bfloat16()
    raw = brain.view(torch.uint16).numpy()
    samples = read(safetensors(tmp_path / "d", x=("BF16", raw), y=Y))
    found = samples.inputs["x"].batch(slice(None), torch.float32)
    torch.testing.assert_close(found, brain.float(), rtol=0, atol=0)


def test_several_inputs_and_metadata(tmp_path: Path) -> None:
    def with_metadata(entries: dict[str, Any]) -> None:
        entries["__metadata__"] = {"format": "pt"}

    path = safetensors(tmp_path / "d", header=with_metadata, ids=Y, mask=X, y=Y)
    assert list(read(path).inputs) == ["ids", "mask"]


def lie(name: str, key: str, value: Any) -> Any:
    def change(entries: dict[str, Any]) -> None:
        entries[name][key] = value

    return change


def raw(text: bytes) -> Any:
    return lambda entries: entries.update(raw=text)


ENTRY = '{"dtype": "I64", "shape": [5], "data_offsets": [0, 40]}'


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (
            lie("x", "data_offsets", [0, 10**15]),
            "leaves a gap|but its offsets",
        ),
        (lie("y", "data_offsets", [200, 240]), "overlaps another, or leaves a gap"),
        (lie("y", "data_offsets", [240, 200]), "overlaps another, or leaves a gap"),
        (lie("y", "data_offsets", [240]), "has no two offsets"),
        (lie("y", "data_offsets", [-40, 0]), "is -40, not between 0"),
        (lie("x", "shape", [5, 3, 2**61]), "but its offsets say 240"),
        (lie("x", "shape", [5, 3, -4]), "is -4, not between 0"),
        (lie("x", "dtype", "F64"), "takes 480 bytes, but its offsets say 240"),
        (lie("x", "dtype", "F8_E4M3"), "exactly one array named 'x'"),
        (lie("x", "more", 1), "has an unknown key 'more'"),
        (raw(b"{" * 900), "nested deeper"),
        (raw(f'{{"y": {ENTRY}, "y": {ENTRY}}}'.encode()), "a duplicate key 'y'"),
        (raw(b'{"y": 1}'), "is not an object"),
        (raw(b"{]"), "is not JSON"),
        (raw(b"{}"), "Its tensors have 0 bytes, but the file has 280"),
    ],
)
def test_headers_that_lie(header: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=text):
        read(safetensors(tmp_path / "d", header=header, x=X, y=Y))


@pytest.mark.parametrize("size", [0, 1, 1 << 30, (1 << 64) - 1])
def test_a_header_has_a_limit(size: int, tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.write_bytes(size.to_bytes(8, "little") + b'{"x": 1}')
    refused(path)


def test_no_more_than_so_many_tensors(tmp_path: Path) -> None:
    empty = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    text = json.dumps({f"t{i}": empty for i in range(1001)}).encode()
    assert "holds 1,001 tensors" in refused(safetensors(tmp_path / "d", header=raw(text)))


def test_nan_is_refused(tmp_path: Path) -> None:
    x = np.where(X[3, 0, 0] == X, np.nan, X)
    assert "first in sample 3" in refused(safetensors(tmp_path / "d", x=x, y=Y))
