"""Tar archives, and WebDataset shards in them: what reads, and the answer to everything else."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.datasets import encoded, gray_images, in_folders, read, shard, tarred, zipped
from worker.errors import RefusedError
from worker.formats import tar_archive

PIXELS, CLASSES = gray_images(12)
FOLDERS, SHARD = in_folders(PIXELS, CLASSES), shard(PIXELS, CLASSES)
ENCODED = encoded(PIXELS[0])


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def drawn(path: Path, *index: int, **transform: Any) -> tuple[Any, Any]:
    samples = read(path, **transform).only(np.array(index))
    x = samples.inputs["x"].batch(slice(None), torch.float64)
    return (x * 255).round().to(torch.uint8).numpy(), samples.targets


def refused(path: Path) -> str:
    with pytest.raises(RefusedError) as refusal:
        drawn(path, 0)
    return refusal.value.detail


FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_a_folder_in_a_tar_is_read_as_in_a_zip(kind: str, form: int, tmp_path: Path) -> None:
    root = "/".join(["a-folder-with-a-long-name"] * 5) + "/"  # beyond 100 characters
    files = {f"{root}{name}": data for name, data in FOLDERS.items()}
    path = tarred(tmp_path / "data", files, kind, format=form)
    expected = drawn(zipped(tmp_path / "zip", files), 7, 0, 3)
    for found, wanted in zip(drawn(path, 7, 0, 3), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("write", [tarred, zipped, lambda p, f: tarred(p, f, "w:gz")])
def test_a_shard_is_read_in_its_order(write: Callable[..., Path], tmp_path: Path) -> None:
    x, y = drawn(write(tmp_path / "data", SHARD), 5, 2, 2)
    np.testing.assert_array_equal(x, PIXELS[[5, 2, 2]][:, None])
    assert y.tolist() == CLASSES[[5, 2, 2]].tolist()


def test_fields_are_inputs_by_their_names(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for i in range(4):
        files |= {
            f"d/{i}.left.png": encoded(PIXELS[i]), f"d/{i}.table.npy": npy(np.arange(3.0) + i),
            f"d/{i}.json": b'{"label": %d, "more": [1, {}]}' % i, f"d/{i}.pyd": b"a pickle",
        }  # fmt: skip
    samples = read(tarred(tmp_path / "data.tar", files))
    assert list(samples.inputs) == ["left", "table"]
    assert samples.targets.tolist() == [0, 1, 2, 3]
    assert samples.left_out == 4
    table = samples.only(np.array([2, 1])).inputs["table"]
    assert table.batch(slice(None), torch.float32).tolist() == [[2, 3, 4], [1, 2, 3]]


def test_arrays_of_samples_and_targets(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for i in range(3):
        files |= {f"s{i}.npy": npy(PIXELS[i]), f"s{i}.y.npy": npy(np.float32(i / 2))}
    samples = read(tarred(tmp_path / "data.tar", files))
    assert samples.targets.tolist() == [0, 0.5, 1]
    np.testing.assert_array_equal(samples.inputs["x"].column.take(np.arange(3)), PIXELS[:3])


def test_arrays_in_a_folder_of_an_archive(tmp_path: Path) -> None:
    files = {"data/x.npy": npy(PIXELS), "data/y.npy": npy(CLASSES)}
    for path in (zipped(tmp_path / "zip", files), tarred(tmp_path / "gz", files, "w:gz")):
        assert read(path).targets.tolist() == CLASSES.tolist()


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (SHARD | {"00000.cls": b"cat"}, "'00000.cls' holds no class number"),
        (SHARD | {"00000.cls": b"9" * 30}, "holds no class number"),
        ({k: v for k, v in SHARD.items() if k != "00003.cls"}, "'00003' has no file like"),
        ({k: v for k, v in SHARD.items() if k != "00003.png"}, "'00003' has no file like"),
        ({"0.json": b'{"label": 1}', "0.cls": b"1"}, "has no .jpg, .png or .npy"),
        ({"0.png": ENCODED, "0.json": b'{"label": 1, "label": 2}'}, "a duplicate key 'label'"),
        ({"0.png": ENCODED, "0.json": b"[" * 100_000}, "nested deeper"),
        ({"0.png": ENCODED, "0.json": b'{"label": NaN}'}, "NaN, which is not JSON"),
        ({"0.png": ENCODED, "0.json": b'{"label": true}'}, "has no class number as y, labels"),
        ({"0.npy": npy(np.array([1.0, np.nan])), "0.cls": b"1"}, "x holds NaN"),
        ({"0.npy": npy(np.ones(2)).replace(b"<f8", b"|O8"), "0.cls": b"1"}, "dtype object"),
    ],
)
def test_what_is_no_shard(files: dict[str, bytes], text: str, tmp_path: Path) -> None:
    assert text in refused(tarred(tmp_path / "data.tar", files))


def special(kind: bytes, name: str = "a/1.png") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"6", b"S"])
def test_links_and_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    path.write_bytes(special(kind) + bytes(1024))
    assert "is a link or a device" in refused(path)


@pytest.mark.parametrize("name", ["../a/1.png", "/etc/1.png", "a/../../1.png"])
def test_names_stay_inside(name: str, tmp_path: Path) -> None:
    assert "which no plain file has" in refused(tarred(tmp_path / "d.tar", {name: b"x"}))


def header(size: bytes, kind: bytes = b"0", name: bytes = b"a/1.png") -> bytes:
    """A header with these fields and the right checksum."""
    block = bytearray(512)
    block[: len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157], block[257:263], block[263:265] = kind, b"ustar\0", b"00"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (header(b"7777777"), "ends early"),
        (header(b"\x80" + b"\xff" * 11), "an impossible size"),
        (header(b"\xff" * 12), "holds no number where it should"),  # a negative size
        (header(b"-1"), "holds no number where it should"),
        (header(b"77777777", b"x"), "A header of the archive has 16,777,215 bytes"),
        (header(b"20", b"x") + b"9 path=../x\n".ljust(512, b"\0"), "is damaged"),
        (header(b"20", b"x") + b"0 \n".ljust(512, b"\0"), "is damaged"),
        (header(b"22", b"x") + b"18 size=-99999999\n".ljust(512, b"\0"), "an impossible size"),
        (header(b"31", b"x") + b"25 GNU.sparse.major=1\n\n\n\n".ljust(512, b"\0"), "sparse"),
        (header(b"14", b"g") + b"12 path=a/b\n".ljust(512, b"\0"), "one name or size for all"),
        (header(b"0")[:300] + b"x" + header(b"0")[301:], "The checksum of a header is wrong"),
        (header(b"0") + b"\1" * 100, "ends early"),
    ],
)
def test_headers_that_lie(data: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    path.write_bytes(data)
    assert text in refused(path)


def test_names_come_once(tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("a/1.png"))
        archive.addfile(tarfile.TarInfo("a/1.png"))
    assert "two files 'a/1.png'" in refused(path)


def test_a_gzipped_bomb_is_refused_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_archive, "FREE", 1 << 20)
    path = tarred(tmp_path / "d.tar.gz", {"a/1.png": bytes(8 << 20)}, "w:gz")
    assert path.stat().st_size < 20_000
    assert "unpacks to more than" in refused(path)


def test_gzipped_members_follow_one_another(tmp_path: Path) -> None:
    whole = tarred(tmp_path / "d.tar", SHARD).read_bytes()
    path = tmp_path / "d.tar.gz"
    path.write_bytes(gzip.compress(whole[:5000]) + gzip.compress(whole[5000:]) + bytes(40))
    assert drawn(path, 3)[1].tolist() == [CLASSES[3]]


@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_mutants_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "mutant"
    original = tarred(path, dict(list(SHARD.items())[:6]), kind).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(100):
        mutant = bytearray(original)
        for place in rng.integers(0, len(mutant), rng.integers(1, 4)):
            mutant[place] = rng.integers(256)
        path.write_bytes(mutant[: rng.integers(1, len(mutant))] if rng.random() < 0.2 else mutant)
        try:
            drawn(path, 0, 1)
        except (RefusedError, IndexError):
            continue
