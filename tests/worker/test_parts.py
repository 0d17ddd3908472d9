"""Allocations really fail here: no machine has the address space that is asked for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from worker.parts import terms_in_parts
from worker.sosp.sosp_h import Terms

INPUTS, TARGETS = torch.arange(13.0), torch.arange(13)


def compute_with_room_for(
    most: int, asked: list[int], fail: Callable[[], object] = lambda: torch.empty(1 << 55)
) -> Callable[[Tensor, Tensor], Terms]:
    """Return a computation that keeps in `asked` how many samples it was given."""

    def compute(inputs: Tensor, targets: Tensor) -> Terms:
        asked.append(len(inputs))
        if len(inputs) > most:
            fail()
        x = inputs.numpy().astype(float)
        first = np.array([[x.sum(), (x**2).sum()]])
        return Terms(first, -first, np.array([x.sum() / 3]), np.array([len(targets)]))

    return compute


def test_a_batch_that_fits_is_computed_once() -> None:
    asked: list[int] = []
    compute = compute_with_room_for(13, asked)
    row, at_once = terms_in_parts(compute, INPUTS, TARGETS, size=64, smallest=1)
    assert (asked, at_once) == ([13], 64)
    assert all(np.array_equal(a, b) for a, b in zip(vars(row).values(), terms(), strict=True))


def terms() -> list[Any]:
    return list(vars(compute_with_room_for(13, [])(INPUTS, TARGETS)).values())


@pytest.mark.parametrize("most", [1, 2, 3, 6, 12])
def test_parts_add_up_to_the_batch(most: int) -> None:
    asked: list[int] = []
    compute = compute_with_room_for(most, asked)
    row, at_once = terms_in_parts(compute, INPUTS, TARGETS, size=64, smallest=1)
    assert at_once <= most
    for part, whole in zip(vars(row).values(), terms(), strict=True):
        np.testing.assert_allclose(part, whole, rtol=1e-15)
    failed = len(asked)
    terms_in_parts(compute, INPUTS, TARGETS, size=at_once, smallest=1)
    assert max(asked[failed:]) <= most  # what was learnt holds for the next batch


@pytest.mark.parametrize(("smallest", "tried"), [(1, [13, 7, 4, 2, 1]), (7, [13, 7]), (13, [13])])
def test_too_large_in_the_smallest_part_is_passed_on(smallest: int, tried: list[int]) -> None:
    asked: list[int] = []
    compute = compute_with_room_for(0, asked)
    with pytest.raises(RuntimeError, match="allocate memory"):
        terms_in_parts(compute, INPUTS, TARGETS, size=13, smallest=smallest)
    assert asked == tried


def test_other_errors_are_passed_on_at_once() -> None:
    asked: list[int] = []
    compute = compute_with_room_for(0, asked, lambda: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="inconsistent"):
        terms_in_parts(compute, INPUTS, TARGETS, size=13, smallest=1)
    assert asked == [13]
