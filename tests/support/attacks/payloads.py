"""Tensors that reach beyond their bytes, or overlap.

See docs/security.md, "Rules for archives", 4.
"""

from typing import Any

from tests.support.attacks.registry import attack
from tests.support.pt2_archive import Upload


def _meta(upload: Upload) -> Any:
    return upload.weights["config"]["head.weight"]["tensor_meta"]


@attack("unsafe-archive", "strides")
def zero_strides(upload: Upload) -> None:
    _meta(upload)["strides"] = [{"as_int": 0}, {"as_int": 1}]


@attack("unsafe-archive", "strides")
def overlapping_strides(upload: Upload) -> None:
    _meta(upload)["strides"] = [{"as_int": 7}, {"as_int": 1}]


@attack("malformed-archive", "strides")
def negative_strides(upload: Upload) -> None:
    _meta(upload)["strides"] = [{"as_int": -96}, {"as_int": 1}]


@attack("malformed-archive", "too small")
def payload_too_small(upload: Upload) -> None:
    path = upload.weights["config"]["head.weight"]["path_name"]
    upload.members[f"data/weights/{path}"] = b""


@attack("malformed-archive", "too small")
def offset_beyond_the_payload(upload: Upload) -> None:
    _meta(upload)["storage_offset"] = {"as_int": 1 << 39}


@attack("malformed-archive", "head.weight")
def claims_two_gigabytes(upload: Upload) -> None:
    _meta(upload)["sizes"] = [{"as_int": 1 << 29}, {"as_int": 1}]
    _meta(upload)["strides"] = [{"as_int": 1}, {"as_int": 1}]


@attack("operator-out-of-bounds", "empty tensor")
def empty_weight(upload: Upload) -> None:
    sizes = [{"as_int": 0}, {"as_int": 96}]
    _meta(upload)["sizes"] = upload.graph["tensor_values"]["p_head_weight"]["sizes"] = sizes


@attack("malformed-archive", "too large")
def huge_empty_weight(upload: Upload) -> None:
    _meta(upload)["sizes"] = [{"as_int": 0}, *[{"as_int": 1 << 40}] * 2]
    _meta(upload)["strides"] = [{"as_int": 1}] * 3


@attack("malformed-archive", "not a number")
def symbolic_weight(upload: Upload) -> None:
    _meta(upload)["sizes"][0] = {"as_expr": {"expr_str": "Symbol('s0')", "hint": {"as_int": 5}}}


@attack("malformed-archive", "number type 10")
def complex_weight(upload: Upload) -> None:
    _meta(upload)["dtype"] = 10


@attack("malformed-archive", "layout")
def sparse_weight(upload: Upload) -> None:
    _meta(upload)["layout"] = 1


@attack("malformed-archive", "head.weight")
def graph_says_another_shape(upload: Upload) -> None:
    upload.graph["tensor_values"]["p_head_weight"]["sizes"][0] = {"as_int": 6}


@attack("malformed-archive", "path_name")
def weight_outside_the_archive(upload: Upload) -> None:
    upload.weights["config"]["head.weight"]["path_name"] = "../../etc/passwd"


@attack("malformed-archive", "head.weight")
def weight_that_is_not_there(upload: Upload) -> None:
    del upload.weights["config"]["head.weight"]


@attack("unsafe-archive", "head.bias")
def tensors_share_memory(upload: Upload) -> None:
    weight = upload.weights["config"]["head.weight"]["path_name"]
    upload.weights["config"]["head.bias"]["path_name"] = weight
