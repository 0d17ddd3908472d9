"""Small datasets in the formats that people have."""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from worker.formats import dataset
from worker.formats.samples import Samples
from worker.formats.transform import Transform


def encoded(pixels: Any, kind: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    """Return pixels, [height, width] or [height, width, 3], as an image file."""
    image = Image.fromarray(np.asarray(pixels))
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def gray_images(count: int, size: int = 8) -> tuple[Any, Any]:
    """Return pixels [count, size, size] of 8 bits, and classes 0 … 4."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, size, size)).astype(np.uint8)
    return pixels, rng.integers(0, 5, count)


def in_folders(pixels: Any, classes: Any, root: str = "") -> dict[str, bytes]:
    """Return the files of images in a folder for each class; sorted, they are in their order."""
    names = [f"{root}class-{c}/{i:05}.png" for i, c in enumerate(classes)]
    return {name: encoded(image) for name, image in zip(names, pixels, strict=True)}


def zipped(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def read(path: Path, **transform: Any) -> Samples:
    """Return the samples of a file, inspected."""
    samples = dataset.read(path, Transform.from_json(transform))
    samples.check()
    return samples


def tarred(path: Path, files: Mapping[str, bytes], kind: Any = "w", **options: Any) -> Path:
    """Write a tar archive; `kind` is "w", or "w:gz"."""
    with tarfile.open(path, kind, **options) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def shard(pixels: Any, classes: Any) -> dict[str, bytes]:
    """Return the files of a WebDataset shard of images."""
    files: dict[str, bytes] = {}
    for i, (image, label) in enumerate(zip(pixels, classes, strict=True)):
        files |= {f"{i:05}.png": encoded(image), f"{i:05}.cls": b"%d" % label}
    return files


def safetensors(path: Path, *, header: Any = None, **arrays: Any) -> Path:
    """Write arrays; `header` changes what the header says."""
    names = {"f": "F", "i": "I", "u": "U"}
    entries: dict[str, Any] = {}
    data = b""
    for name, array in arrays.items():
        kind, raw = array if isinstance(array, tuple) else (None, np.ascontiguousarray(array))
        begin, data = len(data), data + raw.tobytes()
        letter = kind or f"{names.get(raw.dtype.kind, '?')}{8 * raw.itemsize}"
        kind = "BOOL" if raw.dtype.kind == "b" else letter
        shape = list(raw.shape)
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, len(data)]}
    if header is not None:
        header(entries)
    text = entries.pop("raw", None) or json.dumps(entries).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path
