"""How a test run is spread over the cores of a machine."""

import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

LIBRARY = Path(__file__).parents[1] / "narrows"

MOST_SIDES = 8
"""Each side loads torch, half a gigabyte, and needs a Redis database of its own, of 16."""

LONGEST = (
    "tests/test_installation.py",
    "tests/test_end_to_end.py",
    "tests/service/cli/test_processes.py",
    "tests/service/cli/test_analyze.py",
    "tests/service/cli/test_trial.py",
    "tests/test_trial_end_to_end.py",
    "tests/worker/runtime/test_app.py",
    "tests/fuzz/test_fuzz.py",
    "tests/narrows/surgery/test_idioms.py",
    "tests/narrows/channels/test_random_networks.py",
    "tests/narrows/gates/test_gate_space.py",
    "tests/narrows/graph/test_to_export.py",
    "tests/narrows/test_analysis.py",
)
"""Files that take longest, those that start processes before those that export networks."""


def sides(config: pytest.Config) -> int:
    """Return how many processes should run the tests; 0 stands for pytest's own alone.

    The tests of one file stay together, and single tests are answered fastest without another
    process. The tests of the library compute all the time; others often wait for processes, so
    there are two sides more than cores.
    """
    if any("::" in name for name in config.args) or [*map(os.path.isfile, config.args)] == [True]:
        return 0
    computing = all(Path(name).resolve().is_relative_to(LIBRARY) for name in config.args)
    cores = os.cpu_count() or 1
    return min(cores if computing else cores + 2, MOST_SIDES)


def begin_with_the_longest(items: list[pytest.Item]) -> None:
    """Order files so that no side has to wait for a long one in the end."""
    order = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


class ByFixtures(LoadFileScheduling):  # type: ignore[misc]
    """Sends tests that share expensive fixtures to one side: those of a file, or of a site.

    All fault tests on the same pair of servers share a whole site, so there are two groups of
    them, whatever the file. Scheduling by file alone would have each side start both sites.
    pytest-xdist has the mark `xdist_group` for such groups; as of 3.8 it has no effect under
    pytest 9, since xdist writes the group into `item._nodeid`, which pytest no longer reads.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if not file.startswith("tests/faults/"):
            return file
        on_sqlite = test.partition("[")[2].startswith("SQLite")
        return "faults: SQLite" if on_sqlite else "faults: PostgreSQL"
