from pathlib import Path

import psutil

from worker.memory import memory_budget


def test_four_fifths_of_the_machine(tmp_path: Path) -> None:
    assert memory_budget(tmp_path) == psutil.virtual_memory().total * 4 // 5


def test_a_container_s_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    assert memory_budget(tmp_path) == 800_000


def test_no_limit_is_none(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_budget(tmp_path) == psutil.virtual_memory().total * 4 // 5
