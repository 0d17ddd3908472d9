"""Images in a folder for each class: what reads, and the clear answer to everything else."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.datasets import encoded, gray_images, in_folders, read, zipped
from worker.errors import RefusedError
from worker.formats import geometry, image_files
from worker.formats.geometry import Geometry

PIXELS, CLASSES = gray_images(12)
COLORS = np.random.default_rng(1).integers(0, 256, (9, 7, 3)).astype(np.uint8)


def refused(path: Path, **transform: Any) -> str:
    with pytest.raises(RefusedError) as refusal:
        everything(path, **transform)
    return refusal.value.detail


def everything(path: Path, **transform: Any) -> None:
    samples = read(path, **transform)
    for stored in samples.only(np.arange(len(samples))).inputs.values():
        stored.batch(slice(None), torch.float32)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("root", ["", "photos/train/"])
def test_pixels_come_back_sorted_by_path(method: int, root: str, tmp_path: Path) -> None:
    files = in_folders(PIXELS, CLASSES, root)
    junk = {f"{root}.DS_Store": b"x", "__MACOSX/._a.png": b"x", f"{root}readme.txt": b"hello"}
    path = zipped(tmp_path / "data.zip", {**dict(reversed(files.items())), **junk}, method)
    order = np.argsort(CLASSES, kind="stable")
    samples = read(path)
    assert samples.classes == tuple(f"class-{c}" for c in range(5))
    assert samples.left_out == 1
    assert samples.targets.tolist() == CLASSES[order].tolist()
    x = samples.only(np.array([5, 2, 2])).inputs["x"].batch(slice(None), torch.float32)
    expected = torch.from_numpy(PIXELS[order[[5, 2, 2]]])[:, None]
    torch.testing.assert_close(x, expected * (1 / 255), rtol=0, atol=0)


def test_colour_is_kept_and_alpha_is_dropped(tmp_path: Path) -> None:
    alpha = np.concatenate([COLORS, COLORS[..., :1]], 2)
    files = {"a/1.png": encoded(COLORS), "a/2.png": encoded(alpha), "b/3.PNG": encoded(COLORS)}
    x = read(zipped(tmp_path / "d.zip", files)).inputs["x"]
    assert x.column.describe() == {"shape": [3, 9, 7], "dtype": "uint8"}
    assert (x.column.take(np.arange(3)) == COLORS.transpose(2, 0, 1)).all()


def test_gray_images_among_others_get_colours(tmp_path: Path) -> None:
    files = {"a/1.png": encoded(COLORS[..., 0]), "b/2.jpg": encoded(COLORS, "JPEG")}
    path = zipped(tmp_path / "d.zip", files)
    assert read(path).inputs["x"].column.shape == (2, 3, 9, 7)
    gray = read(path, color="gray").inputs["x"].batch(slice(None), torch.float32)
    assert gray.shape == (2, 1, 9, 7)


def test_images_of_other_sizes_need_a_transform(tmp_path: Path) -> None:
    files = {"a/1.png": encoded(COLORS), "b/2.png": encoded(COLORS[:6])}
    path = zipped(tmp_path / "d.zip", files)
    text = refused(path)
    assert "'b/2.png' has 6 × 7 pixels, but 'a/1.png' 9 × 7" in text
    assert "resize" in text
    assert read(path).inputs["x"].column.describe()["sizes"] == [[6, 7], [9, 7]]
    x = read(path, resize=8, crop=[8, 6]).inputs["x"].batch(slice(None), torch.float32)
    assert x.shape == (2, 3, 8, 6)


def test_images_are_resized_as_pillow_does_it() -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (60, 40, 3)).astype(np.uint8)
    for interpolation in ("bilinear", "bicubic"):
        ours = Geometry(resize=30, crop=(20, 24), interpolation=interpolation).apply(
            torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
        )
        way = Image.Resampling[interpolation.upper()]
        theirs = np.asarray(Image.fromarray(pixels).resize((30, 45), way))[12:32, 3:27]
        difference = ours[0].numpy().transpose(1, 2, 0).astype(int) - theirs
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"a/notes.txt": b"x"}, "holds 'a/notes.txt'. Narrows reads"),
        ({"1.png": encoded(COLORS)}, "'1.png' is in no folder"),
        ({"train/a/1.png": b"", "test/a/1.png": b""}, "in 'test' and in 'train'"),
        ({"a/1.png": encoded(COLORS), "b/1.webp": b""}, "'b/1.webp' is no PNG or JPEG"),
        ({"a/1.png": encoded(COLORS), "b.zip": b""}, "'b.zip' is an archive in an archive"),
        ({"a/1.png": b"no image"}, "its first bytes are those of neither"),
        ({"a/1.png": encoded(COLORS, "BMP")}, "its first bytes are those of neither"),
        ({"a/1.png": encoded(COLORS)[:-40]}, "'a/1.png' is no PNG or JPEG that can be decoded"),
        ({"a/1.jpg": encoded(COLORS, "JPEG")[:400]}, "that can be decoded"),
        ({"a/1.png": encoded(COLORS[..., 0].astype(np.uint16))}, "of the kind I;16, not of 8 bits"),
        ({"../a/1.png": encoded(COLORS)}, "the name '../a/1.png'"),
        ({"/etc/1.png": encoded(COLORS)}, "the name '/etc/1.png'"),
        ({"a\\1.png": encoded(COLORS)}, "which no plain file has"),
        ({"a/1\n.png": encoded(COLORS)}, "which no plain file has"),
        ({"a//1.png": encoded(COLORS)}, "which no plain file has"),
        ({f"{'a' * 1001}/1.png": encoded(COLORS)}, "which no plain file has"),
    ],
)
def test_what_is_no_folder_of_images(files: Mapping[str, bytes], text: str, tmp_path: Path) -> None:
    assert text in refused(zipped(tmp_path / "d.zip", files))


def pixel_bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("size", [(60_000, 60_000), (8_000, 7_000), (2**31 - 1, 1)])
def test_pixel_bombs_are_refused_by_their_headers(size: tuple[int, int], tmp_path: Path) -> None:
    text = refused(zipped(tmp_path / "d.zip", {"a/1.png": pixel_bomb(*size)}))
    assert "pixels" in text


def test_a_text_bomb_in_an_image_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(COLORS))
    text = b"k\0\0" + zlib.compress(bytes(2 << 20))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    data[33:33] = chunk + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    assert "Decompressed data too large" in refused(
        zipped(tmp_path / "d.zip", {"a/1.png": bytes(data)})
    )


def test_resizing_can_make_no_bomb(tmp_path: Path) -> None:
    path = zipped(tmp_path / "d.zip", {"a/1.png": encoded(np.zeros((1, 20_000), np.uint8))})
    assert "would become one of 4000 × 80000000" in refused(path, resize=4000)
    assert "`crop` is 3 × 3, but an image has 1 × 20000 pixels" in refused(path, crop=3)


def test_image_files_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "d.zip", {"a/1.png": encoded(COLORS)})
    monkeypatch.setattr(image_files, "MAX_BYTES", 100)
    assert "at most 100 are read" in refused(path)


def test_pixels_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "MAX_PIXELS", 62)
    monkeypatch.setattr(geometry, "MAX_PIXELS", 62)
    path = zipped(tmp_path / "d.zip", {"a/1.png": encoded(COLORS)})
    assert "7 × 9 pixels; at most 62" in refused(path)


def test_only_the_drawn_images_are_decoded(tmp_path: Path) -> None:
    files = in_folders(PIXELS, np.zeros(12, int))
    files["class-0/00007.png"] = b"broken"
    samples = read(zipped(tmp_path / "d.zip", files), color="gray")
    drawn = samples.only(np.array([3, 8])).inputs["x"]
    assert drawn.batch(slice(None), torch.float32).isfinite().all()
    broken = samples.only(np.array([3, 7])).inputs["x"]
    with pytest.raises(RefusedError, match=r"00007\.png"):
        broken.batch(slice(None), torch.float32)


def altered(path: Path, at: int, data: bytes, *, from_directory: bool) -> Path:
    """Change bytes in the (first) directory entry, or in the local header."""
    whole = bytearray(path.read_bytes())
    start = whole.index(b"PK\1\2") if from_directory else 0
    whole[start + at : start + at + len(data)] = data
    path.write_bytes(whole)
    return path


def symlink() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a/1.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(symlink(), "/etc/passwd")
    assert "is a link or a device" in refused(path)


@pytest.mark.parametrize(
    ("at", "data", "from_directory", "text"),
    [
        (8, b"\1\0", True, "is encrypted"),
        (10, b"\x0c\0", True, "compressed by the method 12"),
        (24, struct.pack("<I", 1 << 30), True, "an impossible size"),
        (24, struct.pack("<I", 300), True, "ends early"),
        (24, struct.pack("<I", 30), True, "damaged"),
        (16, b"\0\0\0\0", True, "its checksum is wrong"),
        (8, b"\0\0", False, "and its entry disagree"),
        (30, b"b", False, "and its entry disagree"),
        (42, struct.pack("<I", 1 << 20), True, "points beyond its own end"),
    ],
)
def test_directories_that_lie(
    at: int, data: bytes, from_directory: bool, text: str, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "d.zip", {"a/1.png": encoded(COLORS)})
    assert text in refused(altered(path, at, data, from_directory=from_directory))


def test_overlapping_files_are_refused(tmp_path: Path) -> None:
    """Many entries that point to one deflated member: a bomb that grows with its directory."""
    path = zipped(tmp_path / "d.zip", {"a/1.png": encoded(COLORS), "a/2.png": encoded(COLORS)})
    whole = bytearray(path.read_bytes())
    second = whole.index(b"PK\1\2", whole.index(b"PK\1\2") + 1)
    whole[second + 42 : second + 46] = bytes(4)
    path.write_bytes(whole)
    assert "overlap" in refused(path)


def test_names_come_once(tmp_path: Path) -> None:
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", encoded(COLORS))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/1.png", encoded(COLORS))
    assert "two files 'a/1.png'" in refused(path)


def test_a_count_of_files_that_lies(tmp_path: Path) -> None:
    path = zipped(tmp_path / "d.zip", {"a/1.png": encoded(COLORS)})
    whole = bytearray(path.read_bytes())
    whole[-14:-10] = struct.pack("<2H", 60_000, 60_000)
    path.write_bytes(whole)
    assert "wrong number of members" in refused(path)


def test_mutants_are_read_or_refused(tmp_path: Path) -> None:
    original = zipped(tmp_path / "d.zip", in_folders(PIXELS[:3], CLASSES[:3])).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "mutant.zip"
    for _ in range(200):
        mutant = bytearray(original)
        for place in rng.integers(0, len(mutant), rng.integers(1, 4)):
            mutant[place] = rng.integers(256)
        path.write_bytes(mutant)
        try:
            samples = read(path)
            samples.inputs["x"].batch(slice(None), torch.float32)
        except RefusedError:
            continue


def test_an_image_cannot_be_a_file_of_another_kind() -> None:
    for kind in ("GIF", "TIFF", "BMP", "PPM", "ICO"):
        file = io.BytesIO(encoded(np.zeros((16, 16), np.uint8), kind))
        with pytest.raises(RefusedError, match="neither"):
            image_files.probe(file.getvalue(), "a/1.png")
