"""Formats of data: the same 60,000 images in each, and what an analysis of 4,096 of them takes.

    python -m benchmarks.formats [--samples 4096] [--only folders.zip] [--json]

The training images of Fashion-MNIST (Debian's package dataset-fashion-mnist) are written as `.npz`,
as PNG files in zip and tar archives, as a WebDataset shard, as Parquet and as safetensors. Each
file is inspected and analysed in a process of its own, as a worker's child does. Seconds are of the
CPU. Memory is the peak beyond what the process has after an analysis of 64 samples. The saliencies
must be the same to the last digit.
"""

import argparse
import gc
import hashlib
import io
import json
import multiprocessing
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from benchmarks.data import FASHION, _idx
from worker.pipeline import steps

Pixels = NDArray[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--only", action="append", choices=[*FORMATS])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    images = _idx(FASHION / "train-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28)
    classes = _idx(FASHION / "train-labels-idx1-ubyte.gz", header=8)
    order = np.argsort(classes, kind="stable")  # that of folders
    images, classes = images[order], classes[order].astype(np.int64)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = _network(Path(folder) / "net.pt2")
        for name in arguments.only or FORMATS:
            path = Path(folder) / name
            FORMATS[name](path, images, classes)
            row = {"format": name, "bytes": path.stat().st_size}
            rows.append(row | _measured(model, str(path), arguments.samples))
            path.unlink()
            if not arguments.json:
                print(rows[-1])
    if len({row["saliencies"] for row in rows}) > 1:
        raise SystemExit("The analyses differ.")
    if arguments.json:
        print(json.dumps(rows, indent=2))


def _measured(model: str, path: str, samples: int) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (model, path, samples))


def _measure(model: str, path: str, samples: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    warm = Path(path).with_name("warm.npz")
    np.savez(warm, x=np.zeros((64, 1, 28, 28), np.uint8), y=np.arange(64) % 10)
    _analysed(model, str(warm), 64)
    gc.collect()
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    began = time.process_time()
    inspected = steps.inspect_dataset(path, {})
    inspecting = time.process_time() - began
    began = time.process_time()
    result = _analysed(model, path, samples)
    saliencies = np.array([row["saliency"] for row in result["structures"]])
    return {
        "samples": inspected["samples"],
        "inspection": round(inspecting, 2),
        "analysis": round(time.process_time() - began, 2),
        "MB": round((_memory("VmHWM") - before) / 1e6),
        "saliencies": hashlib.sha256(saliencies.tobytes()).hexdigest()[:12],
    }


def _analysed(model: str, path: str, samples: int) -> dict[str, Any]:
    request = {"max_samples": samples, "plans": []}
    planned = steps.plan(model, path, {}, request)
    parts = [steps.shard(model, path, {}, request, *limits) for limits in planned["shards"]]
    return steps.reduce(model, path, {}, request, parts, str(Path(path).parent))


def _memory(kind: str) -> int:
    """Return the bytes that this process has now (VmRSS), or had at most (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("The system does not tell how much memory a process has.")


def _network(path: Path) -> str:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 36, 10),
    )  # fmt: skip
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    example = torch.randn(2, 1, 28, 28)
    torch.export.save(torch.export.export(module.eval(), (example,), dynamic_shapes=shapes), path)
    return str(path)


def _pngs(images: Pixels) -> Iterator[bytes]:
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        yield file.getvalue()


def _files(images: Pixels, classes: Pixels, *, shard: bool) -> Iterator[tuple[str, bytes]]:
    for i, (data, label) in enumerate(zip(_pngs(images), classes.tolist(), strict=True)):
        if shard:
            yield f"{i:05}.png", data
            yield f"{i:05}.cls", str(label).encode()
        else:
            yield f"{label}/{i:05}.png", data


def _npz(path: Path, images: Pixels, classes: Pixels) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, x=images[:, None], y=classes)


def _zip(path: Path, images: Pixels, classes: Pixels) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in _files(images, classes, shard=False):
            archive.writestr(name, data)


def _tar(kind: str, *, shard: bool) -> Callable[[Path, Pixels, Pixels], None]:
    def write(path: Path, images: Pixels, classes: Pixels) -> None:
        with tarfile.open(path, kind) as archive:  # type: ignore[call-overload]
            for name, data in _files(images, classes, shard=shard):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    return write


def _parquet(path: Path, images: Pixels, classes: Pixels) -> None:
    cells = [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(_pngs(images))]
    pq.write_table(pa.table({"image": cells, "label": classes}), path, row_group_size=1000)


def _safetensors(path: Path, images: Pixels, classes: Pixels) -> None:
    sizes = images.nbytes, images.nbytes + classes.nbytes
    header = {
        "x": {"dtype": "U8", "shape": [len(images), 1, 28, 28], "data_offsets": [0, sizes[0]]},
        "y": {"dtype": "I64", "shape": [len(classes)], "data_offsets": [*sizes]},
    }
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + images.tobytes() + classes.tobytes())


FORMATS: dict[str, Callable[[Path, Pixels, Pixels], None]] = {
    "images.npz": _npz,
    "images.safetensors": _safetensors,
    "folders.zip": _zip,
    "folders.tar": _tar("w", shard=False),
    "folders.tar.gz": _tar("w:gz", shard=False),
    "shard.tar": _tar("w", shard=True),
    "images.parquet": _parquet,
}

if __name__ == "__main__":
    main()
