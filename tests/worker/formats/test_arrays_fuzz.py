"""Damaged and hostile `.npz` files: each is read or refused, whatever its decoders raise."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.errors import RefusedError
from worker.formats import dataset
from worker.formats.transform import Transform

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((24, 3, 8, 8)).astype("f4")
LABELS = RNG.integers(4, size=24)
MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def packed(method: int, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def with_header(text: bytes, version: tuple[int, int] = (1, 0), length: int | None = None) -> bytes:
    """An array of 64 bytes whose header is this text."""
    size = len(text) if length is None else length
    stated = size.to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + stated + text + bytes(64)


def header(shape: object, descr: object = "<f4", order: object = False) -> bytes:
    return repr({"descr": descr, "fortran_order": order, "shape": shape}).encode() + b"\n"


FILES = {method: packed(method, x=npy(IMAGES), y=npy(LABELS)) for method in METHODS}


def answer(data: bytes, folder: Path) -> str:
    """Return "" where a file is read, else why it is refused."""
    path = folder / "data.npz"
    path.write_bytes(data)
    try:
        samples = dataset.read(path, Transform())
        samples.check()
        assert len(samples)
    except RefusedError as refusal:
        return refusal.detail
    return ""


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_member_is_refused(method: int, tmp_path: Path) -> None:
    data = bytearray(FILES[method])
    data[3000:3040] = bytes(40)
    assert answer(bytes(data), tmp_path)


@MANY
@given(
    st.sampled_from(METHODS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
    st.booleans(),
)
def test_changed_bytes(
    tmp_path: Path, method: int, changes: list[tuple[float, int]], end: float, cut: bool
) -> None:
    data = bytearray(FILES[method])
    for place, byte in changes:
        data[int(place * len(data))] = byte
    answer(bytes(data[: int(end * len(data))] if cut else data), tmp_path)


@MANY
@given(st.sampled_from(METHODS), st.integers(0, 400), st.binary(min_size=1, max_size=40))
def test_changed_directories(tmp_path: Path, method: int, back: int, new: bytes) -> None:
    """The directory is at the end: flags, methods, sizes, offsets, names."""
    data = bytearray(FILES[method])
    place = max(0, len(data) - back)
    data[place : place + len(new)] = new
    answer(bytes(data), tmp_path)


SIZES = st.sampled_from([-(1 << 63), -1, 0, 1, 2, 16, 1 << 31, 1 << 62, 1 << 64, 10**40])
LITERALS = st.recursive(
    st.none() | st.booleans() | SIZES | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
SHAPES = st.lists(SIZES, max_size=5).map(tuple) | LITERALS
DESCRIPTIONS = st.sampled_from(
    [
        "<f4",
        "|b1",
        "|O",
        "<c8",
        "<f16",
        "|V8",
        "<U4",
        "<M8[s]",
        "(2,)f4",
        "",
        "f4,i8",
        [("a", "f4")],
    ]
)


@MANY
@given(SHAPES, DESCRIPTIONS | LITERALS, st.booleans() | LITERALS)
def test_wild_headers(tmp_path: Path, shape: object, descr: object, order: object) -> None:
    data = with_header(header(shape, descr, order))
    answer(packed(zipfile.ZIP_DEFLATED, x=data, y=npy(LABELS)), tmp_path)


@MANY
@given(st.binary(max_size=80), st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]))
def test_headers_that_are_none(tmp_path: Path, text: bytes, version: tuple[int, int]) -> None:
    assert answer(packed(zipfile.ZIP_STORED, x=with_header(text, version), y=npy(LABELS)), tmp_path)


HEADERS: dict[str, tuple[bytes, str]] = {
    "no elements of a huge shape": (with_header(header((0, 1 << 62))), "bytes in memory"),
    "empty": (with_header(header((0, 4))), "samples"),
    "80 dimensions": (with_header(header((1,) * 80)), "80 dimensions"),
    "overflow to nothing": (with_header(header((1 << 32, 1 << 32))), "bytes in memory"),
    "negative": (with_header(header((-4, -4))), "impossible shape"),
    "nested": (with_header(b"(" * 5000), "no valid header"),
    "nested lists": (with_header(b"[" * 900 + b"]" * 900), "no valid header"),
    "unhashable": (with_header(b"{[]: 1}"), "no valid header"),
    "a long one, at most claimed": (with_header(b"{}", (2, 0), (1 << 32) - 1), "4,294,967,295"),
    "objects": (with_header(header((2, 2), "|O")), "dtype object"),
    "code": (with_header(b"__import__('os')"), "no valid header"),
    "no characters": (with_header(b"\xff\xfe", (3, 0)), "no valid header"),
    "of Python 2": (with_header(header((16, 1)).replace(b"16", b"16L")), "samples"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_refused(name: str, tmp_path: Path) -> None:
    data, culprit = HEADERS[name]
    assert culprit in answer(packed(zipfile.ZIP_DEFLATED, x=data, y=npy(LABELS)), tmp_path)


@pytest.mark.parametrize("names", ["yx", "xx", "yy"])
def test_swapped_arrays(names: str, tmp_path: Path) -> None:
    x, y = (npy({"x": IMAGES, "y": LABELS}[name]) for name in names)
    answer(packed(zipfile.ZIP_DEFLATED, x=x, y=y), tmp_path)
