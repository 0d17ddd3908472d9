"""Reads a dataset of any format, which its first bytes tell."""

from pathlib import Path

from worker.formats import arrays, folders, parquet, safetensors, shards
from worker.formats.container import Container
from worker.formats.files import open_file
from worker.formats.refusals import HOW_TO, READ, invalid
from worker.formats.samples import Samples
from worker.formats.tar_archive import TarArchive
from worker.formats.transform import Transform
from worker.formats.zip_archive import ZipArchive


def read(path: Path, transform: Transform) -> Samples:
    """Return the samples in a file; only what says what they are is read.

    Raises RefusedError if the file has another format, or is unsafe, damaged or too large.
    """
    with open_file(path) as file:
        head = file.read(512)
    if head.startswith(b"PK\3\4"):
        return _of_container(ZipArchive(path), transform)
    if head.startswith(b"\x1f\x8b"):
        return _of_container(TarArchive(path, gzipped=True), transform)
    if head[257:262] == b"ustar":
        return _of_container(TarArchive(path, gzipped=False), transform)
    if head[8:9] == b"{":
        return safetensors.read(path, transform)
    if head[:4] == b"PAR1":
        return parquet.read(path, transform)
    if head.startswith(b"\x93NUMPY"):
        raise invalid(f"It is one array, but inputs and targets are needed. {HOW_TO}")
    raise invalid(f"Its format is not known. {READ} {HOW_TO}")


def _of_container(container: Container, transform: Transform) -> Samples:
    if samples := shards.samples_in(container):
        return shards.read(container, samples, transform)
    if arrays.are_in(container):
        return arrays.read(container, transform)
    return folders.read(container, transform)
