"""`.npz` datasets: what reads, and the clear answer to everything else."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from worker.errors import RefusedError
from worker.formats import arrays, dataset
from worker.formats.samples import Samples
from worker.formats.transform import Transform

X = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
Y = np.array([1, 0])


def npz(path: Path, **named: Any) -> Path:
    np.savez_compressed(path, **named)
    return path


def read(path: Path, transform: Transform | None = None) -> Samples:
    samples = dataset.read(path, transform or Transform())
    samples.check()
    return samples


def whole(samples: Samples, name: str) -> Any:
    return samples.inputs[name].column.take(np.arange(len(samples)))


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def npy(array: Any, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """A header that claims an array, with no data behind it."""
    file = io.BytesIO()
    descr = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, descr)
    return file.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_as_saved(save: Any, order: Any, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    save(path, x=np.asarray(X, order=order), y=Y, other=np.ones(3))
    samples = read(path)
    assert list(samples.inputs) == ["x"]  # `other` has another number of samples
    np.testing.assert_array_equal(whole(samples, "x"), X)
    np.testing.assert_array_equal(samples.targets, Y)


def test_foreign_byte_order_is_read(tmp_path: Path) -> None:
    big = (X * 1.5).astype(">f4")
    samples = read(npz(tmp_path / "a.npz", x=big, y=Y.astype(">i8")), Transform(2.0))
    inputs = samples.inputs["x"].batch([0, 1], torch.float32)
    torch.testing.assert_close(inputs, torch.from_numpy(X * 3.0).float())
    assert samples.answers.batch([0, 1], torch.int64).tolist() == Y.tolist()


def test_bytes_are_scaled_to_one_by_default_and_floats_are_not(tmp_path: Path) -> None:
    stored = read(npz(tmp_path / "a.npz", x=X, y=Y), Transform())
    inputs = stored.inputs["x"].batch([1, 0], torch.float32)
    torch.testing.assert_close(inputs, torch.from_numpy(X[[1, 0]]) / 255)
    assert stored.answers.batch([1, 0], torch.int64).tolist() == [0, 1]
    floats = read(npz(tmp_path / "b.npz", x=X * 1.0, y=Y), Transform())
    torch.testing.assert_close(
        floats.inputs["x"].batch([0], torch.float64), torch.from_numpy(X[:1] * 1.0)
    )


def test_the_declared_transform_is_applied() -> None:
    declared = {"scale": 0.5, "mean": [1.0, 2.0], "std": [2.0, 4.0], "layout": "nhwc"}
    transform = Transform.from_json(declared).for_stored(X.dtype)
    stored = X.reshape(2, 3, 2, 2)  # batch, height, width, 2 channels
    expected = (stored * 0.5 - np.array([1.0, 2.0])) / np.array([2.0, 4.0])
    actual = transform.scaled(transform.arranged(torch.from_numpy(stored)), torch.float64)
    torch.testing.assert_close(actual, torch.from_numpy(np.moveaxis(expected, -1, 1)))


def test_a_transform_for_other_channels_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"2 numbers but the inputs.*3 channels"):
        Transform(mean=(1.0, 2.0)).scaled(torch.from_numpy(X), torch.float32)


def refused(path: Path) -> str:
    with pytest.raises(RefusedError) as refusal:
        read(path)
    assert refusal.value.slug == "dataset-invalid"
    return refusal.value.detail


def test_what_is_not_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"", b"not a zip", npy(X)):
        path.write_bytes(content)
        assert "numpy.savez" in refused(path)
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    assert "cut off" in refused(path)


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ({"x": X}, "named 'y'; it holds x.npy"),
        ({"images": X, "labels": Y}, "named 'y'; it holds images.npy, labels.npy"),
        ({"y": Y}, "named 'x'; it holds y.npy"),
        ({"x": X, "y": Y[:1]}, "x has 2 samples but y has 1"),
        ({"x": X[:0], "y": Y[:0]}, "It is empty"),
        ({"x": np.zeros((2, 0)), "y": Y}, "It is empty"),
        ({"x": Y, "y": Y}, "it needs at least one more"),
        ({"ids": X, "mask": X[:1], "y": Y}, "mask has 1 samples but y has 2"),
        ({"ids": X, "mask": np.array(["a", "b"]), "y": Y}, "'mask' has dtype <U1"),
        ({"ids": X, "mask": np.array([1.0, np.inf]), "y": Y}, "mask holds NaN or infinity"),
        ({f"x{i}": X for i in range(17)} | {"y": Y}, "17 arrays beside 'y'; at most 16"),
        ({"x": X, "y": np.array(3)}, "first dimension counts samples"),
        ({"x": np.where(X == 13, np.nan, X), "y": Y}, "x holds NaN or infinity, first in sample 1"),
        ({"x": X, "y": np.array([0.0, np.inf])}, "y holds NaN or infinity, first in sample 1"),
        ({"x": X, "y": np.array(["a", "b"])}, "only numbers of up to 64 bits"),
        ({"x": X + 1j, "y": Y}, "only numbers of up to 64 bits are read"),
        ({"x": X.astype(np.longdouble), "y": Y}, "only numbers of up to 64 bits are read"),
    ],
)
def test_unusable_data_is_refused(named: dict[str, Any], text: str, tmp_path: Path) -> None:
    assert text in refused(npz(tmp_path / "data.npz", **named))


def test_several_inputs_are_read_under_their_names(tmp_path: Path) -> None:
    table, mask = np.arange(2.0), np.array([[True, False], [True, True]])
    path = npz(tmp_path / "data.npz", image=X, table=table, mask=mask, y=Y)
    samples = read(path)
    assert list(samples.inputs) == ["image", "table", "mask"]
    image, numbers, kept = (of.batch([1], torch.float32) for of in samples.inputs.values())
    torch.testing.assert_close(image, torch.from_numpy(X[1:]) / 255)
    assert numbers.tolist() == [1.0]
    assert kept.tolist() == [[1.0, 1.0]]


def test_beside_x_other_arrays_are_inputs_where_they_can_be(tmp_path: Path) -> None:
    named = {"mask": Y, "names": np.array(["a", "b"]), "weight": np.array([1.0, np.nan])}
    samples = read(npz(tmp_path / "data.npz", x=X, y=Y, **named), Transform())
    assert list(samples.inputs) == ["x", "mask", "weight"]
    with pytest.raises(RefusedError, match="weight holds NaN"):  # only if it is used
        samples.only(np.array([1, 0])).inputs["weight"].batch([0], torch.float32)


@pytest.mark.parametrize(
    ("declared", "scales"),
    [
        ({}, {"image": 1 / 255, "depth": 1.0, "table": 1.0}),
        ({"scale": 0.5}, {"image": 0.5, "depth": 0.5, "table": 1.0}),
        ({"scale": 0.5, "inputs": ["table"]}, {"image": 1.0, "depth": 1.0, "table": 0.5}),
    ],
)
def test_a_transform_is_for_images_or_for_the_inputs_that_it_names(
    declared: dict[str, Any], scales: dict[str, float], tmp_path: Path
) -> None:
    path = npz(tmp_path / "data.npz", image=X, depth=X * 1.0, table=X[:, 0, 0], y=Y)
    samples = read(path, Transform.from_json(declared))
    assert {name: of.transform.scale for name, of in samples.inputs.items()} == scales


def test_a_transform_for_an_input_that_there_is_not(tmp_path: Path) -> None:
    path = npz(tmp_path / "data.npz", image=X, y=Y)
    with pytest.raises(RefusedError, match=r"The transform is for 'mask', .* holds 'image'"):
        read(path, Transform(inputs=("mask",)))


def test_all_arrays_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MAX_TOTAL_BYTES", 2 * X.nbytes + Y.nbytes)
    read(npz(tmp_path / "two.npz", a=X, b=X, y=Y), Transform())
    assert "'c' of shape" in refused(npz(tmp_path / "three.npz", a=X, b=X, c=X, y=Y))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return pytest.fail, ("the pickle was loaded",)

    bomb = npy(np.array([Bomb(), Bomb()], dtype=object), pickled=True)
    assert "never Python objects" in refused(zipped(tmp_path / "data.npz", x=npy(X), y=bomb))


@pytest.mark.parametrize(
    "data",
    [
        header((1 << 40,)),  # 8 TiB from nothing
        header((1 << 31, 1 << 31)),
        header((3, -1)),
        header((2, 3)) + bytes(47),
        b"\x93NUMPY\x01\x00\xff\xff{'descr'",
        b"\x93NUMPY\x09\x00",
        b"nothing of the kind",
        b"",
        header((2,)).replace(b"(2,)", b"(2.)"),
    ],
)
def test_lying_headers_are_refused_before_anything_is_allocated(
    data: bytes, tmp_path: Path
) -> None:
    refused(zipped(tmp_path / "data.npz", x=data, y=npy(Y)))


def test_duplicate_and_damaged_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy(X))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", npy(X))
    assert "two files 'x.npy'" in refused(path)
    whole = npz(tmp_path / "whole.npz", x=np.random.default_rng(0).random((50, 9)), y=np.arange(50))
    damaged = bytearray(whole.read_bytes())
    damaged[400] ^= 0xFF
    whole.write_bytes(damaged)
    refused(whole)


def test_mutants_are_read_or_refused(tmp_path: Path) -> None:
    original = npz(tmp_path / "data.npz", x=X * 1.5, y=Y).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "mutant.npz"
    for _ in range(300):
        mutant = bytearray(original)
        for place in rng.integers(0, len(mutant), rng.integers(1, 4)):
            mutant[place] = rng.integers(256)
        path.write_bytes(
            mutant[: rng.integers(1, len(mutant) + 1)] if rng.random() < 0.3 else mutant
        )
        try:
            read(path)
        except RefusedError:
            continue
