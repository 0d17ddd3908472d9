"""Allocations really fail here: no machine has the address space that is asked for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from narrows.batch import Batch
from narrows.methods.partial_sums import PartialSums
from worker.pipeline.microbatches import measure_in_microbatches

BATCH = Batch((torch.arange(13.0),), torch.arange(13))


def compute_with_room_for(
    most: int, asked: list[int], fail: Callable[[], object] = lambda: torch.empty(1 << 55)
) -> Callable[[Batch], PartialSums]:
    """Return a computation that keeps in `asked` how many samples it was given."""

    def compute(batch: Batch) -> PartialSums:
        asked.append(len(batch))
        if len(batch) > most:
            fail()
        x = batch.inputs[0].numpy().astype(float)
        first = np.array([[x.sum(), (x**2).sum()]])
        sums = {"first": first, "second": -first}
        return PartialSums(np.array([x.sum() / 3]), np.array([len(batch)]), sums)

    return compute


def test_a_batch_that_fits_is_computed_once() -> None:
    asked: list[int] = []
    compute = compute_with_room_for(13, asked)
    row, at_once = measure_in_microbatches(compute, BATCH, size=64, smallest=1)
    assert (asked, at_once) == ([13], 64)
    assert all(
        np.array_equal(a, b, equal_nan=True)
        for a, b in zip(row.to_arrays().values(), partial_sums(), strict=True)
    )


def partial_sums() -> list[Any]:
    return list(compute_with_room_for(13, [])(BATCH).to_arrays().values())


@pytest.mark.parametrize("most", [1, 2, 3, 6, 12])
def test_parts_add_up_to_the_batch(most: int) -> None:
    asked: list[int] = []
    compute = compute_with_room_for(most, asked)
    row, at_once = measure_in_microbatches(compute, BATCH, size=64, smallest=1)
    assert at_once <= most
    for part, whole in zip(row.to_arrays().values(), partial_sums(), strict=True):
        np.testing.assert_allclose(np.asarray(part, float), whole, rtol=1e-15)
    failed = len(asked)
    measure_in_microbatches(compute, BATCH, size=at_once, smallest=1)
    assert max(asked[failed:]) <= most  # what was learnt holds for the next batch


@pytest.mark.parametrize(("smallest", "tried"), [(1, [13, 7, 4, 2, 1]), (7, [13, 7]), (13, [13])])
def test_too_large_in_the_smallest_part_is_passed_on(smallest: int, tried: list[int]) -> None:
    asked: list[int] = []
    compute = compute_with_room_for(0, asked)
    with pytest.raises(RuntimeError, match="allocate memory"):
        measure_in_microbatches(compute, BATCH, size=13, smallest=smallest)
    assert asked == tried


def test_other_errors_are_passed_on_at_once() -> None:
    asked: list[int] = []
    compute = compute_with_room_for(0, asked, lambda: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="inconsistent"):
        measure_in_microbatches(compute, BATCH, size=13, smallest=1)
    assert asked == [13]
