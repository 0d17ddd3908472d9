"""Hostile archives are refused with a reason that names the culprit, and run nothing."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.architectures import PlainNet
from tests.support.attacks import ATTACKS, CANARY, Attack
from tests.support.pt2_archive import Upload, pack
from worker.errors import RefusedError
from worker.formats import pt2

MUTANTS = 250
HOSTILE: list[Any] = [
    None, True, -1, 0, 1 << 40, -(1 << 63), 1e308, "", "x", "..", "Infinity", [], {}, [[]],
    {"as_int": -1}, {"as_none": True}, {"as_expr": {"expr_str": "Integer(1)"}},
]  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Upload:
    """A real archive of a plain network with a dynamic batch, taken apart."""
    path = tmp_path_factory.mktemp("export") / "model.pt2"
    batch = torch.export.Dim("batch", min=2, max=64)
    example = (torch.randn(2, 3, 8, 8),)
    program = torch.export.export(PlainNet().eval(), example, dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return Upload.read(path)


def test_the_archive_before_any_change_is_read(plain: Upload, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(plain.data())
    assert pt2.read(path).outputs == ("linear",)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_refused(attack: Attack, plain: Upload, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(attack.make(plain.copy()))
    with pytest.raises(RefusedError) as refusal:
        pt2.read(path)
    assert refusal.value.slug == attack.slug, str(refusal.value)
    assert attack.culprit in refusal.value.detail
    assert not CANARY.exists()


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


MUTATIONS = [flip_bytes, cut_and_splice, replace_json, garble_text, swap_members, wild_sizes]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_mutants_read_or_are_refused(
    mutate: Callable[[Upload, random.Random], bytes], plain: Upload, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt2"
    refused = 0
    for seed in range(MUTANTS):
        path.write_bytes(mutate(plain.copy(), random.Random(seed)))
        try:
            pt2.read(path)
        except RefusedError:
            refused += 1
    assert refused > MUTANTS // 2
