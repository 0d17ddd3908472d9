"""Scratch folders: one for each worker, deleted with it or swept after it."""

from pathlib import Path

import pytest

from worker.isolation.scratch import Scratch, sweep


def test_what_killed_workers_left_is_swept(tmp_path: Path) -> None:
    parent = tmp_path / "scratch"
    sweep(parent)
    living = Scratch(parent)
    kept = living.path
    dead = parent / "narrows-dead"
    dead.mkdir()
    (dead / "half").write_bytes(b"x")
    sweep(parent)
    assert list(parent.iterdir()) == [kept]
    living.close()
    assert list(parent.iterdir()) == []


def test_a_folder_of_a_call_goes_with_it(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    with pytest.raises(KeyError), scratch.folder() as folder:
        raise KeyError
    assert folder.parent == scratch.path
    assert not folder.exists()
    scratch.close()


def test_a_deleted_folder_is_made_again(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.path.rmdir()
    with scratch.folder() as folder:
        assert folder.is_dir()
    scratch.close()
