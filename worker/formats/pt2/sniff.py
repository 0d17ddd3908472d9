"""Recognizes other file formats, so that the error says what was uploaded."""

from collections.abc import Sequence
from typing import IO

from worker.formats.pt2.refusals import (
    EXPORT_AGAIN,
    archive_version,
    not_an_archive,
    pickle_checkpoint,
    torchscript,
)
from worker.formats.zip_directory import LOCAL, Entry

_ONNX = b"\x08"  # its first field, ir_version, as a protobuf varint


def check_head(file: IO[bytes]) -> None:
    """Raise RefusedError if the file's first bytes show another format."""
    file.seek(0)
    head = file.read(16)
    if not head:
        raise not_an_archive("The file is empty.")
    if head[0] == 0x80 and head[1:2] <= b"\x05":
        raise pickle_checkpoint("The file is a pickle, as `torch.save` wrote until torch 1.6.")
    if head[8:10] == b'{"':
        raise not_an_archive("The file is a safetensors file: weights without a network.")
    if head[:1] == _ONNX and head[2:3] in (b"\x12", b"\x1a", b"\x3a", b"\x42"):
        raise not_an_archive("The file seems to be an ONNX model, which is not read yet.")
    if head[:4] != LOCAL:
        raise not_an_archive("The file is not a zip archive, as a `.pt2` file is.")


def check_members(entries: Sequence[Entry]) -> None:
    """Raise RefusedError if the members' names show an archive of another format."""
    names = {entry.name.partition("/")[2] or entry.name for entry in entries}
    if "constants.pkl" in names:
        raise torchscript("The file is a TorchScript archive (`torch.jit.save`).")
    if "data.pkl" in names:
        raise pickle_checkpoint("The file is a checkpoint that `torch.save` wrote.")
    if "serialized_exported_program.json" in {entry.name for entry in entries} | names:
        raise archive_version(
            f"The file was written by `torch.export.save` of torch 2.8 or older. {EXPORT_AGAIN}"
        )
    if "models/model.json" not in names:
        raise not_an_archive("The zip archive holds no `models/model.json`.")
