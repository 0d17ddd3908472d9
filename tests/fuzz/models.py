"""Mutants of `.pt2` archives: of their bytes, their members, and the program in them."""

import copy
import json
import random
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from torch import nn

from narrows.graph import operators
from tests.support.architectures import (
    MobileNet,
    PlainNet,
    ResidualNet,
    ShuffleNet,
    UpsamplingNet,
    VisionTransformer,
    example_inputs,
)
from tests.support.pt2_archive import Upload, pack

ORIGINALS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "plain": PlainNet,
    "residual": ResidualNet,
    "mobile": MobileNet,
    "shuffle": ShuffleNet,
    "upsampling": UpsamplingNet,
    "transformer": VisionTransformer,
}
"""The networks whose archives are changed."""

OPERATORS: Final = sorted(operators.OPERATORS)
BOUNDS: Final = [0, 1, 2, 511, 512, 513, 1024, 1025, 4096, 4097, 16384, 1 << 31, -(1 << 63)]
HOSTILE: list[Any] = [
    None, True, -1, 0, 1 << 40, -(1 << 63), 1e308, "", "x", "..", "Infinity", [], {}, [[]],
    {"as_int": -1}, {"as_none": True}, {"as_expr": {"expr_str": "Integer(1)"}},
]  # fmt: skip


def flip_bytes(upload: Upload, dice: random.Random) -> bytes:
    data = bytearray(upload.data())
    for _ in range(dice.choice([1, 1, 4, 64])):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def cut_and_splice(upload: Upload, dice: random.Random) -> bytes:
    data = upload.data()
    start, end, other = (dice.randrange(len(data)) for _ in range(3))
    return data[:start] + data[end : end + dice.randrange(99)] + data[other:]


def replace_json(upload: Upload, dice: random.Random) -> bytes:
    """Replace, delete or copy a few random values of the model or the table of weights."""
    for _ in range(dice.choice([1, 1, 1, 3])):
        holder: Any = {"model": upload.model, "weights": upload.weights}
        key: Any = dice.choice(["model", "model", "weights"])
        while isinstance(holder[key], dict | list) and holder[key] and dice.random() < 0.9:
            holder = holder[key]
            key = dice.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        match dice.randrange(4):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder[key] = copy.deepcopy(dice.choice(holder))
            case _:
                holder[key] = copy.deepcopy(dice.choice(HOSTILE))
    return upload.data()


def garble_text(upload: Upload, dice: random.Random) -> bytes:
    text = bytearray(json.dumps(upload.model).encode())
    for _ in range(dice.choice([1, 1, 8])):
        text[dice.randrange(len(text))] = dice.choice(b'[]{}",:0159-eE\\u\xff .')
    return pack(upload.members | {"models/model.json": bytes(text)})


def swap_members(upload: Upload, dice: random.Random) -> bytes:
    first, second = dice.sample(sorted(upload.members), 2)
    swapped = {first: upload.members[second], second: upload.members[first]}
    return pack(upload.members | swapped)


def wild_sizes(upload: Upload, dice: random.Random) -> bytes:
    """Make some integers wild, and give some tensors other numbers of dimensions."""

    def change(value: Any) -> None:
        for key, item in list(value.items()) if isinstance(value, dict) else []:
            if key == "as_int" and dice.random() < 0.1:
                value[key] = dice.choice([0, -1, 1 << 31, 1 << 40, 1 << 62, 1 << 63, 10**30, True])
            elif key in ("sizes", "strides") and dice.random() < 0.05:
                value[key] = item * dice.choice([0, 2, 20, 80])
            else:
                change(item)
        for item in value if isinstance(value, list) else []:
            change(item)

    change(dice.choice([upload.model, upload.weights]))
    return upload.data()


def _nodes(upload: Upload) -> list[Any]:
    nodes: list[Any] = upload.graph["nodes"]
    return nodes


def other_numbers(upload: Upload, dice: random.Random) -> bytes:
    """Change some numbers in the arguments of operators, often by little or to a bound."""

    def change(value: Any) -> None:
        for key, item in list(value.items()) if isinstance(value, dict) else []:
            if key == "as_int":
                value[key] = dice.choice([item + 1, item - 1, -item, *BOUNDS])
            elif key == "as_ints":
                value[key] = [dice.choice([n, n + 1, -n, *BOUNDS]) for n in item]
            elif key == "as_float":
                value[key] = dice.choice([0.0, -1.0, 1e30, 1e-30, item * 2])
            elif key == "as_bool":
                value[key] = not item
            else:
                change(item)
        for item in value if isinstance(value, list) else []:
            change(item)

    for node in dice.sample(_nodes(upload), k=min(2, len(_nodes(upload)))):
        change(node["inputs"])
    return upload.data()


def other_operators(upload: Upload, dice: random.Random) -> bytes:
    """Let a node call another operator of the table."""
    packet, _, overload = dice.choice(OPERATORS).partition(".")
    node = dice.choice(_nodes(upload))
    node["target"] = f"torch.ops.aten.{packet}.{overload or 'default'}"
    if dice.random() < 0.5:  # give it arguments of these names, too
        schema = getattr(getattr(torch.ops.aten, packet), overload or "default")._schema
        for entry, argument in zip(node["inputs"], schema.arguments, strict=False):
            entry["name"] = argument.name
    return upload.data()


def other_wiring(upload: Upload, dice: random.Random) -> bytes:
    """Let a node read another value, or swap, copy or drop nodes."""
    nodes = _nodes(upload)
    match dice.randrange(4):
        case 0:
            nodes.remove(dice.choice(nodes))
        case 1:
            nodes.insert(dice.randrange(len(nodes)), copy.deepcopy(dice.choice(nodes)))
        case _:
            names = list(upload.graph["tensor_values"])
            for entry in dice.choice(nodes)["inputs"]:
                if "as_tensor" in entry["arg"] and dice.random() < 0.6:
                    entry["arg"]["as_tensor"]["name"] = dice.choice(names)
    return upload.data()


def other_weights(upload: Upload, dice: random.Random) -> bytes:
    """Fill payloads with zeros, infinities, huge or random numbers."""
    payloads = [name for name in upload.members if name.startswith("data/weights/weight")]
    changed = {}
    for name in dice.sample(payloads, k=min(3, len(payloads))):
        size = len(upload.members[name])
        fill = dice.choice([bytes(4), b"\0\0\x80\x7f", b"\xff\xff\x7f\x7f", dice.randbytes(4)])
        changed[name] = (fill * (size // 4 + 1))[:size]
    parts = Upload(upload.members | changed, upload.model, upload.weights, upload.constants)
    return parts.data()


MUTATIONS: Final = [
    flip_bytes,
    cut_and_splice,
    replace_json,
    garble_text,
    swap_members,
    wild_sizes,
    other_numbers,
    other_operators,
    other_wiring,
    other_weights,
]


@cache
def original(name: str) -> Upload:
    """Return a real archive of a network with a dynamic batch, taken apart."""
    torch.manual_seed(0)
    network = ORIGINALS[name]().eval()
    example = tuple(x.float() for x in example_inputs(network))
    shapes = tuple({0: torch.export.Dim("batch", min=2, max=64)} for _ in example)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        torch.export.save(torch.export.export(network, example, dynamic_shapes=shapes), path)
        return Upload.read(path)


def mutant(seed: int, names: tuple[str, ...] = tuple(ORIGINALS)) -> bytes:
    """Return the bytes of a mutant; the same for the same seed and networks."""
    dice = random.Random(seed)
    mutate = dice.choice(MUTATIONS)
    return mutate(original(dice.choice(names)).copy(), dice)
