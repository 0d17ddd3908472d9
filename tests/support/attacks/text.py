"""JSON that is too deep, too long, or not what belongs there.

See docs/security.md, "Rules for archives", 2.
"""

import json

from tests.support.attacks.registry import attack
from tests.support.pt2_archive import Upload, pack


def _with_model(upload: Upload, text: str) -> bytes:
    return pack(upload.members | {"models/model.json": text.encode()})


def _with_change(upload: Upload, old: str, new: str) -> bytes:
    return _with_model(upload, json.dumps(upload.model).replace(old, new))


@attack("malformed-archive", "nested")
def deep_json(upload: Upload) -> bytes:
    return _with_model(upload, "[" * 100_000 + "]" * 100_000)


@attack("malformed-archive", "'nodes'")
def duplicate_key(upload: Upload) -> bytes:
    return _with_change(upload, '"nodes":', '"nodes": [], "nodes":')


@attack("malformed-archive", "NaN")
def not_a_number(upload: Upload) -> bytes:
    return _with_change(upload, "1e-05", "NaN")


@attack("malformed-archive", "digits")
def long_integer(upload: Upload) -> bytes:
    return _with_change(upload, '"as_int": 3', f'"as_int": {"9" * 5000}')


@attack("malformed-archive", "too large")
def long_float(upload: Upload) -> bytes:
    return _with_change(upload, "1e-05", "1e999")


@attack("malformed-archive", "not JSON")
def bytes_that_are_no_text(upload: Upload) -> bytes:
    return pack(upload.members | {"models/model.json": b"\xff{}"})


@attack("malformed-archive", "'extra'")
def unknown_key(upload: Upload) -> None:
    upload.graph["extra"] = 1


@attack("malformed-archive", "is_param")
def missing_key(upload: Upload) -> None:
    del upload.weights["config"]["head.weight"]["is_param"]


@attack("malformed-archive", "is not a list")
def wrong_type(upload: Upload) -> None:
    upload.graph["nodes"] = {}


@attack("malformed-archive", "requires_grad")
def number_for_a_bool(upload: Upload) -> None:
    upload.weights["config"]["head.weight"]["tensor_meta"]["requires_grad"] = 1


@attack("too-large", "nodes")
def too_many_nodes(upload: Upload) -> None:
    upload.graph["nodes"] = [0] * 20_001
