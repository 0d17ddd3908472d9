"""Pickles and objects, of which Narrows loads none.

See docs/security.md, "Rules for archives", 3.
"""

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.support.attacks.registry import attack
from tests.support.pt2_archive import Upload, pack

CANARY = Path(os.environ.get("TMPDIR", "/tmp")) / f"narrows-canary-{os.getpid()}"


class Canary:
    """Something that leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(CANARY), "w")


@attack("unsafe-archive", "head.weight")
def weight_flagged_as_pickle(upload: Upload) -> None:
    upload.weights["config"]["head.weight"]["use_pickle"] = True
    upload.members["data/weights/weight_4"] = pickle.dumps(Canary())


@attack("unsafe-archive", "open")
def sample_inputs_that_run_code(upload: Upload) -> None:
    file = io.BytesIO()
    torch.save(Canary(), file)
    upload.members["data/sample_inputs/model.pt"] = file.getvalue()


@attack("unsafe-archive", "torch.save")
def sample_inputs_that_are_a_bare_pickle(upload: Upload) -> None:
    upload.members["data/sample_inputs/model.pt"] = pickle.dumps(Canary(), protocol=2)


@attack("unsafe-archive", "no pickle")
def sample_inputs_that_are_noise(upload: Upload) -> None:
    upload.members["data/sample_inputs/model.pt"] = pack({"data.pkl": b"\x80\x02\xff\xff"})


@attack("pickle-checkpoint", "narrows export")
def checkpoint(_: Upload) -> bytes:
    file = io.BytesIO()
    torch.save({"weight": torch.ones(2)}, file)
    return file.getvalue()


@attack("pickle-checkpoint", "narrows export")
def legacy_checkpoint(_: Upload) -> bytes:
    file = io.BytesIO()
    torch.save(Canary(), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@attack("pickle-checkpoint", "narrows export")
def protocol_four_pickle(_: Upload) -> bytes:
    return pickle.dumps(Canary(), protocol=4)


@attack("torchscript", "narrows export")
def torchscript(_: Upload) -> bytes:
    return pack({"data.pkl": b"", "code/__torch__.py": b"", "constants.pkl": b""})


@attack("unsafe-archive", "custom_obj_values")
def custom_object(upload: Upload) -> None:
    upload.graph["custom_obj_values"] = {"evil": {"name": "evil", "class_fqn": "os.system"}}


@attack("unsafe-archive", "opaque_obj_0")
def opaque_object(upload: Upload) -> None:
    upload.members["data/constants/opaque_obj_0"] = pickle.dumps(Canary())


@attack("unsafe-archive", "aotinductor")
def shared_library(upload: Upload) -> None:
    upload.members["data/aotinductor/model/evil.so"] = b"\x7fELF"
