"""Zip files that are another archive to another reader.

See docs/security.md, "Rules for archives", 1.
"""

import io
import struct
import warnings
import zipfile

from tests.support.attacks.registry import attack
from tests.support.pt2_archive import Upload, pack


@attack("unsafe-archive", "weight_0")
def duplicate_member(upload: Upload) -> bytes:
    with io.BytesIO(upload.data()) as file:
        with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings(action="ignore"):
            archive.writestr("model/data/weights/weight_0", b"x")
        return file.getvalue()


@attack("unsafe-archive", "Models/model.json")
def member_in_another_case(upload: Upload) -> None:
    upload.members["Models/model.json"] = b"{}"


@attack("unsafe-archive", "compressed")
def compressed_members(upload: Upload) -> bytes:
    return pack(upload.members, zipfile.ZIP_DEFLATED)


@attack("unsafe-archive", "compressed")
def deflate_bomb(upload: Upload) -> bytes:
    return pack({"data/weights/weight_0": bytes(1 << 24)} | upload.members, zipfile.ZIP_DEFLATED)


@attack("unsafe-archive", "disagree")
def local_name_differs(upload: Upload) -> bytes:
    data = upload.data()
    return data.replace(b"data/weights/weight_0", b"data/weights/weight_9", 1)


@attack("unsafe-archive", "overlaps")
def members_overlap(upload: Upload) -> bytes:
    data = bytearray(upload.data())
    first = int.from_bytes(data[-6:-2], "little")  # the central directory, by the end record
    second = data.index(b"PK\1\2", first + 4)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    return bytes(data)


@attack("not-an-archive", "zip")
def prefixed(upload: Upload) -> bytes:
    return b"#!/bin/sh\n" + upload.data()


@attack("malformed-archive", "disagree")
def prefixed_by_another_zip(upload: Upload) -> bytes:
    return pack({"a": b""}) + upload.data()


@attack("malformed-archive", "comment")
def comment(upload: Upload) -> bytes:
    with io.BytesIO(upload.data()) as file:
        with zipfile.ZipFile(file, "a") as archive:
            archive.comment = b"hello"
        return file.getvalue()


@attack("malformed-archive", "cut off")
def followed_by_data(upload: Upload) -> bytes:
    return upload.data() + b"#!/bin/sh"


@attack("malformed-archive", "cut off")
def cut_off(upload: Upload) -> bytes:
    return upload.data()[:-100]


@attack("malformed-archive", "weight_0")
def wrong_checksum(upload: Upload) -> bytes:
    data = bytearray(upload.data())
    start = data.index(b"weight_0") + 8
    data[start] ^= 1
    return bytes(data)


@attack("unsafe-archive", "..")
def path_traversal(upload: Upload) -> None:
    upload.members["../../../etc/passwd"] = b"root"


@attack("unsafe-archive", "other/model.json")
def second_root(upload: Upload) -> bytes:
    with io.BytesIO(upload.data()) as file:
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("other/model.json", b"{}")
        return file.getvalue()


@attack("too-large", "members")
def many_members(_: Upload) -> bytes:
    data = bytearray(pack({"models/model.json": b"{}"}))
    entry = bytes(data[data.index(b"PK\1\2") : data.index(b"PK\5\6")])
    start, count = data.index(b"PK\1\2"), 30_000
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(entry) * count, start, 0)
    return bytes(data[:start]) + entry * count + end


@attack("malformed-archive", "model_weights_config.json")
def missing_member(upload: Upload) -> bytes:
    return pack({k: v for k, v in upload.members.items() if "weights_config" not in k})
