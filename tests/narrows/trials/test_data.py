"""Splits, orders and augmentation, by their definitions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from narrows.trials.augment import augment, mirrored, moved
from narrows.trials.data import batches_of_epoch, split
from narrows.trials.errors import TrialError
from narrows.trials.recipe import Recipe
from narrows.trials.schedule import learning_rate
from narrows.trials.seeds import Stream, torch_generator


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_split_has_its_share_of_every_class(counts: list[int], share: float, seed: int) -> None:
    targets = np.repeat(np.arange(len(counts)), counts)
    wanted = round(share * len(targets))
    if not 0 < wanted < len(targets):
        with pytest.raises(TrialError, match="can't be split"):
            split(targets, share, seed, classes=True)
        return
    found = split(targets, share, seed, classes=True)
    assert sorted([*found.train, *found.held_out]) == list(range(len(targets)))
    assert len(found.held_out) == wanted
    held = np.bincount(targets[found.held_out], minlength=len(counts))
    assert (np.abs(held - np.array(counts) * wanted / len(targets)) < 1).all()
    again = split(targets, share, seed, classes=True)
    assert (again.held_out == found.held_out).all()


def test_most_samples_are_drawn_before_the_split() -> None:
    found = split(np.zeros(100), 0.25, 0, classes=False, most=20)
    assert (len(found.train), len(found.held_out)) == (15, 5)
    assert len({*found.train, *found.held_out}) == 20


def test_an_epoch_takes_each_sample_at_most_once_in_an_order_of_its_own() -> None:
    train = np.arange(100, 123)
    first, second = (batches_of_epoch(train, 5, seed=1, epoch=e) for e in (0, 1))
    assert first.shape == (4, 5)
    assert len(np.unique(first)) == 20
    assert set(first.flat) <= set(train)
    assert (first != second).any()
    assert (first == batches_of_epoch(train, 5, seed=1, epoch=0)).all()
    assert batches_of_epoch(train, 64, seed=1, epoch=0).shape == (1, 23)


def test_a_move_is_a_shift_with_zeros() -> None:
    images = torch.rand(9, 2, 5, 4) + 1
    down, right = (torch.arange(9) % 3 - 1), (torch.arange(9) // 3 - 1)
    result = moved(images, down, right)
    for n in range(9):
        d, r = int(down[n]), int(right[n])
        expected = F.pad(images[n], (r, -r, d, -d))  # negative padding cuts
        assert torch.equal(result[n], expected)


def test_mirrored_are_those_that_are_chosen() -> None:
    images = torch.rand(3, 1, 2, 4)
    result = mirrored(images, torch.tensor([True, False, True]))
    assert torch.equal(result[1], images[1])
    assert torch.equal(result[0], images[0, ..., [3, 2, 1, 0]])


def test_augmentation_is_uniform_and_half_is_mirrored() -> None:
    images = torch.arange(1.0, 26).view(1, 1, 5, 5).expand(9000, 1, 5, 5)
    middle = augment(images, Recipe(crop=1), torch_generator(0, Stream.AUGMENT))[:, 0, 2, 2]
    counts = np.unique(middle.numpy(), return_counts=True)[1]
    assert len(counts) == 9  # three shifts along each axis
    assert np.abs(counts - 1000).max() < 5 * 1000**0.5
    flipped = augment(images, Recipe(flip=True), torch_generator(0, Stream.AUGMENT))
    share = (flipped[:, 0, 0, 0] == 5).double().mean()
    assert abs(share - 0.5) < 0.03


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_the_rate_rises_to_its_peak_and_falls_to_zero(schedule: str) -> None:
    recipe = Recipe(schedule=schedule, warmup=0.2)  # type: ignore[arg-type]
    rates = [learning_rate(recipe, 3.0, step, 100) for step in range(100)]
    assert rates[:20] == pytest.approx([3.0 * (step + 1) / 20 for step in range(20)])
    t = np.arange(80) / 80
    expected = {
        "constant": 3 + 0 * t,
        "linear": 3 * (1 - t),
        "cosine": 3 * np.cos(np.pi * t / 2) ** 2,
    }
    assert rates[20:] == pytest.approx(expected[schedule])
