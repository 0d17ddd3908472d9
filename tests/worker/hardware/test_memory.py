from pathlib import Path

import psutil
import pytest
import torch

from worker.hardware.memory import is_out_of_memory, memory_budget


def test_four_fifths_of_the_machine(tmp_path: Path) -> None:
    assert memory_budget(tmp_path) == psutil.virtual_memory().total * 4 // 5


def test_a_container_s_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    assert memory_budget(tmp_path) == 800_000


def test_no_limit_is_none(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_budget(tmp_path) == psutil.virtual_memory().total * 4 // 5


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_out_of_memory_is_known_by_its_text(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
