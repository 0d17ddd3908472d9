"""The scratch folder of a worker: the only place that its children write to."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp


class Scratch:
    """A folder below `parent`, or below the system's folder for temporary files.

    `user` is its owner, None for this process' own user. It is locked for as long as this process
    lives, so that `sweep` knows.
    """

    def __init__(self, parent: Path | None = None, user: int | None = None) -> None:
        self._parent, self._user = parent, user
        self._path: Path | None = None
        self._lock: int | None = None

    @property
    def path(self) -> Path:
        """The folder; another one if it was deleted."""
        if self._path is None or not self._path.is_dir():
            if self._parent is not None:
                self._parent.mkdir(parents=True, exist_ok=True)
            self.close()
            self._path = self._given(Path(mkdtemp(dir=self._parent, prefix="narrows-")))
            self._lock = os.open(self._path, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        return self._path

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield a new folder in it, for one call; delete it afterwards."""
        with TemporaryDirectory(dir=self.path, ignore_cleanup_errors=True) as folder:
            yield self._given(Path(folder))

    def close(self) -> None:
        """Delete the folder."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _given(self, folder: Path) -> Path:
        if self._user is not None:
            os.chown(folder, self._user, -1)
        return folder


def sweep(parent: Path) -> None:
    """Delete the scratch folders that killed workers have left."""
    for path in parent.glob("*"):
        with suppress(OSError):  # its worker lives, or another one sweeps as well
            lock = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
