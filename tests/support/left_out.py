"""Tests that a run leaves out unless they are asked for: those of the marker `faults`."""

from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[1] / "faults"
COUNT = pytest.StashKey[int]()


def leave_out_faults(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect fault tests, unless there is a `-m`, or one of them or their folder is named."""
    if config.option.markexpr or any(map(_is_named, config.args)):
        return
    left_out = [item for item in items if item.get_closest_marker("faults")]
    items[:] = [item for item in items if item not in left_out]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    remember(config, len(left_out))


def _is_named(argument: str) -> bool:
    path, _, test = argument.partition("::")
    return bool(test) or Path(path).resolve().is_relative_to(FAULTS)


def remember(config: pytest.Config, count: int) -> None:
    """Keep the number of tests left out; a side of pytest-xdist sends it to the main process."""
    config.stash[COUNT] = count
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = count


def sentence(config: pytest.Config) -> str:
    """Say what was left out, if anything was."""
    count = config.stash.get(COUNT, 0)
    if not count:
        return ""
    return (
        f"Left out: {count} tests that take minutes (marker `faults`): "
        "run them with `pytest -m faults`."
    )
