"""Keeps other people's `service` and `worker` folders apart from ours.

Many projects have such folders. Where `PYTHONPATH`, or the folder that a process is started in,
puts one before our packages, Python would run theirs in our place.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGES = ("service", "worker")
_HOME = Path(__file__).resolve().parents[1]


def without_namesakes(path: Sequence[str]) -> list[str]:
    """Return a search path without the entries that have a `service` or `worker` but for ours.

    Where packages are installed stays: there is much else.
    """
    return [entry for entry in path if not _has_namesakes(Path(entry))]


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Python finds our packages, wherever it is started."""
    path = environment.get("PYTHONPATH", "").split(os.pathsep)
    kept = os.pathsep.join(without_namesakes([entry for entry in path if entry]))
    return {**environment, "PYTHONPATH": kept, "PYTHONSAFEPATH": "1"}


def _has_namesakes(folder: Path) -> bool:
    if folder.resolve() == _HOME or folder.name in ("site-packages", "dist-packages"):
        return False
    found = ((folder / name / "__init__.py", folder / f"{name}.py") for name in PACKAGES)
    return any(file.is_file() for files in found for file in files)
