"""Files that tests need again and again, and that are made once."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

RUN, KEPT = "NARROWS_TEST_RUN", "NARROWS_TEST_KEPT"
"""The environment variables that tell every side of a run (pytest-xdist) where the files are."""


def open_folders(config: pytest.Config) -> None:
    """Make the folder of this run, and that of pytest's cache, for all processes of this run."""
    os.environ[RUN] = tempfile.mkdtemp(prefix="narrows-tests-")
    cache = getattr(config, "cache", None)  # which can be switched off
    os.environ[KEPT] = str(cache.mkdir("narrows")) if cache else os.environ[RUN]


def close_folders() -> None:
    shutil.rmtree(os.environ.pop(RUN), ignore_errors=True)
    del os.environ[KEPT]


def made_once(
    name: str, make: Callable[[Path], object], sources: Collection[ModuleType] = ()
) -> Path:
    """Return the file or folder of that name, which `make(path)` makes where it is missing.

    It lasts for this run. With `sources`, it lasts until one of these modules changes, or Python
    or torch is another: they must be all that the file depends on. Other sides of the run that ask
    for it wait until it is whole; nobody may change it.
    """
    folder = Path(os.environ[KEPT if sources else RUN])
    if sources:
        folder /= _digest(sources)
        folder.mkdir(exist_ok=True)
    path = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=folder) as unfinished:
                make(Path(unfinished) / name)
                (Path(unfinished) / name).rename(path)
    return path


def _digest(sources: Collection[ModuleType]) -> str:
    digest = hashlib.sha256(f"{sys.version} {version('torch')}".encode())
    for module in sources:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]
