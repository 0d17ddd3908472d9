"""Search paths without other projects' `service` and `worker` packages.

Many projects have such folders. If one is in `PYTHONPATH` or in the working directory, before our
packages, Python would import it in place of ours.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGES = ("service", "worker")
_HOME = Path(__file__).resolve().parents[1]


def without_namesakes(path: Sequence[str]) -> list[str]:
    """Return the search path without entries that hold a `service` or `worker` other than ours.

    Folders of installed packages stay, since they hold much else.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "worker.py").touch()
    ...     without_namesakes([folder, "/usr/lib/python3/site-packages"])
    ['/usr/lib/python3/site-packages']
    """
    return [entry for entry in path if not _has_namesakes(Path(entry))]


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Python finds our packages, from any working directory.

    >>> own_environment({"HOME": "/home/me", "PYTHONPATH": ""})
    {'HOME': '/home/me', 'PYTHONPATH': '', 'PYTHONSAFEPATH': '1'}
    """
    path = environment.get("PYTHONPATH", "").split(os.pathsep)
    kept = os.pathsep.join(without_namesakes([entry for entry in path if entry]))
    return {**environment, "PYTHONPATH": kept, "PYTHONSAFEPATH": "1"}


def _has_namesakes(folder: Path) -> bool:
    if folder.resolve() == _HOME or folder.name in ("site-packages", "dist-packages"):
        return False
    modules = ((folder / name / "__init__.py", folder / f"{name}.py") for name in PACKAGES)
    return any(file.is_file() for files in modules for file in files)
