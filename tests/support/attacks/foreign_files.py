"""Files that are something else, and archives of other versions."""

import struct

from tests.support.attacks.registry import attack
from tests.support.pt2_archive import Upload, pack


@attack("not-an-archive", "empty")
def empty_file(_: Upload) -> bytes:
    return b""


@attack("not-an-archive", "narrows export")
def noise(_: Upload) -> bytes:
    return b"This is no network." * 10


@attack("not-an-archive", "safetensors")
def safetensors(_: Upload) -> bytes:
    return struct.pack("<Q", 2) + b'{"a":{}}'


@attack("not-an-archive", "ONNX")
def onnx(_: Upload) -> bytes:
    return b"\x08\x0a\x12\x07pytorch" + bytes(40)


@attack("not-an-archive", "models/model.json")
def another_zip(_: Upload) -> bytes:
    return pack({"readme.txt": b"hello"})


@attack("archive-version", "2.8")
def old_export(_: Upload) -> bytes:
    return pack({"serialized_exported_program.json": b"{}", "version": b"7.1"})


@attack("archive-version", "8.x")
def newer_schema(upload: Upload) -> None:
    upload.model["schema_version"]["major"] = 9


@attack("archive-version", "archive's version")
def newer_archive(upload: Upload) -> None:
    upload.members["archive_version"] = b"1"


@attack("archive-version", "pt3")
def other_format(upload: Upload) -> None:
    upload.members["archive_format"] = b"pt3"


@attack("malformed-archive", "byteorder")
def big_endian(upload: Upload) -> None:
    upload.members["byteorder"] = b"big"
