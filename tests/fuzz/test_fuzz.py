"""A few mutants of each kind: of fixed seeds, and of a random one, which a failure names."""

import random
from collections import Counter
from pathlib import Path

import pytest

from service.objects_in_text import without_addresses
from tests.fuzz import data, operators
from tests.fuzz.judge import ADDRESS, READ, judge, judge_data

COUNTS = {"model": 120, "data": 400}
QUICK = ("plain", "residual")
RANDOM = random.SystemRandom().randrange(1 << 40)


@pytest.mark.parametrize("first", [0, RANDOM], ids=["fixed", "random"])
@pytest.mark.parametrize("kind", COUNTS)
def test_mutants_are_read_or_refused(kind: str, first: int, tmp_path: Path) -> None:
    endings: Counter[str] = Counter()
    count = COUNTS[kind] if first == 0 else COUNTS[kind] // 4
    names = QUICK if kind == "model" else ()
    for seed in range(first, first + count):
        print(f"{kind}, seed {seed}")  # the last is the culprit
        endings[judge(kind, seed, tmp_path, *names)] += 1
    assert endings[READ] < count
    assert first or endings[READ]


@pytest.mark.parametrize("name", data.FORMATS)
def test_the_files_before_any_change_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data.original(name))
    assert judge_data(tmp_path / "file", tmp_path) == READ


@pytest.mark.parametrize("first", [0, RANDOM], ids=["fixed", "random"])
def test_operators_at_their_bounds(first: int) -> None:
    endings: Counter[str] = Counter()
    for seed in range(first, first + (800 if first == 0 else 200)):
        print(f"operator, seed {seed}")
        endings[operators.call(seed)] += 1
    assert endings["ran"]
    assert endings["OutOfBoundsError"]


def test_no_address_is_left_in_a_text() -> None:
    for thing in (object(), judge, random.Random(), test_no_address_is_left_in_a_text, Path.cwd):
        assert not ADDRESS.search(without_addresses(f"it is {thing!r} of {[thing]}"))
