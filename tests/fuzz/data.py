"""Mutants of data files, of every format that is read."""

import gzip
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tests.support.datasets import encoded

_RNG: Final = np.random.default_rng(0)
IMAGES: Final = _RNG.standard_normal((64, 3, 8, 8)).astype("f4")
LABELS: Final = _RNG.integers(5, size=64)


Change = Callable[[bytes], bytes]
"""What is done to the parts of a file before they are put together, under right checksums."""


def zipped(files: Mapping[str, bytes], change: Change, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of files, each changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), change(content), method)  # without the time
    return file.getvalue()


def arrays(**named: NDArray[Any]) -> dict[str, bytes]:
    """Return the members of an `.npz` archive."""
    files = {}
    for name, array in named.items():
        member = io.BytesIO()
        np.save(member, array)
        files[f"{name}.npy"] = member.getvalue()
    return files


def pictures(kind: str) -> dict[str, bytes]:
    """Return a few images in folders by class, as `PNG` or `JPEG`."""
    pixels = ((IMAGES[:6] + 4) * 32).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return {f"{i % 2}/{i}.{kind.lower()}": encoded(image, kind) for i, image in enumerate(pixels)}


def tarred(files: Mapping[str, bytes], change: Change, *, packed: bool = False) -> bytes:
    """Return a tar archive of files, each changed."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data := change(content))
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(file.getvalue(), mtime=0) if packed else file.getvalue()


def tensors(change: Change) -> bytes:
    """Return a safetensors file, with its header changed, and what follows it."""
    x, y = IMAGES[:8].tobytes(), LABELS[:8].tobytes()
    entries = {
        "x": {"dtype": "F32", "shape": [8, 3, 8, 8], "data_offsets": [0, len(x)]},
        "y": {"dtype": "I64", "shape": [8], "data_offsets": [len(x), len(x) + len(y)]},
    }
    header = change(json.dumps(entries).encode())
    return len(header).to_bytes(8, "little") + header + change(x + y)


def parquet(change: Change, *, images: bool = False) -> bytes:
    """Return a Parquet file of numbers, or of images as Hugging Face has them."""
    labels = LABELS[:6].tolist()
    columns: dict[str, Any] = {"a": IMAGES[:6, 0, 0, 0].tolist(), "label": labels}
    if images:
        files = [{"bytes": change(content), "path": None} for content in pictures("PNG").values()]
        columns = {"image": files, "label": labels}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue() if images else change(file.getvalue())


ONE: Final = arrays(x=IMAGES, y=LABELS)
FEW: Final = arrays(x=IMAGES[:8], y=LABELS[:8])
SEVERAL: Final = arrays(x0=IMAGES[:8], x1=IMAGES[:8, 0, 0], y=LABELS[:8])
SHARD: Final = {
    f"{i}.{name}": content
    for i, image in enumerate(pictures("PNG").values())
    for name, content in (("png", image), ("cls", b"%d" % (i % 2)))
}
FORMATS: Final[Mapping[str, Callable[[Change], bytes]]] = {
    "npz": lambda change: zipped(ONE, change),
    "npz, stored": lambda change: zipped(FEW, change, zipfile.ZIP_STORED),
    "npz, several": lambda change: zipped(SEVERAL, change),
    "png": lambda change: zipped(pictures("PNG"), change),
    "jpeg": lambda change: zipped(pictures("JPEG"), change),
    "tar": lambda change: tarred(pictures("PNG"), change),
    "tar.gz": lambda change: tarred(pictures("JPEG"), change, packed=True),
    "webdataset": lambda change: tarred(SHARD, change),
    "safetensors": tensors,
    "parquet": parquet,
    "parquet of images": lambda change: parquet(change, images=True),
}
"""How to make a file of each format; a new format needs a row."""


def original(name: str) -> bytes:
    """Return a good file of a format."""
    return FORMATS[name](lambda part: part)


_WILD: Final = [bytes(8), b"\xff" * 8, (1 << 31).to_bytes(8, "little"), b"\x80" + bytes(7)]
_SIZES: Final = [b"-1", b"0", b"1e9", b"99999999999999999999", b"None", b"'|O'", b"(,)", b"\xff"]


def mutant(seed: int, names: tuple[str, ...] = tuple(FORMATS)) -> bytes:
    """Return the bytes of a mutant, of a file or of its parts; the same for the same seed."""
    dice = random.Random(seed)
    make = FORMATS[dice.choice(names)]
    if dice.random() < 0.5:
        return make(lambda part: _changed(part, dice) if dice.random() < 0.7 else part)
    return _changed(make(lambda part: part), dice)


def _changed(part: bytes, dice: random.Random) -> bytes:
    data = bytearray(part)
    for _ in range(dice.choice([1, 1, 2, 8])):
        dice.choice(_MUTATIONS)(data, dice)
    return bytes(data)


def _place(data: bytearray, dice: random.Random) -> int:
    """Return a place in the file, often near its ends, where headers and directories are."""
    near = min(len(data), 400)
    places = [dice.randrange(near), len(data) - 1 - dice.randrange(near), dice.randrange(len(data))]
    return dice.choice(places)


def _flip(data: bytearray, dice: random.Random) -> None:
    data[_place(data, dice)] = dice.randrange(256)


def _overwrite(data: bytearray, dice: random.Random) -> None:
    """Write a wild integer, or a part of a header, over what is there."""
    place, wild = _place(data, dice), dice.choice([*_WILD, *_SIZES])
    data[place : place + len(wild)] = wild


def _digit(data: bytearray, dice: random.Random) -> None:
    """Change a digit in a text near the beginning, such as a shape in a header."""
    digits = [i for i, byte in enumerate(data[:600]) if 48 <= byte < 58]
    if digits:
        data[dice.choice(digits)] = dice.choice(b"0123456789-,)'O")


def _cut(data: bytearray, dice: random.Random) -> None:
    if len(data) > 64:
        del data[_place(data, dice) :]
        data += bytes(max(0, 64 - len(data)))


def _splice(data: bytearray, dice: random.Random) -> None:
    start, other = _place(data, dice), _place(data, dice)
    data[start:start] = data[other : other + dice.randrange(99)]


_MUTATIONS: Final = [_flip, _flip, _overwrite, _overwrite, _digit, _cut, _splice]
