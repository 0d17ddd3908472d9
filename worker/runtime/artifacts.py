"""The files that a reduce builds: in a scratch folder, then in storage, at last in the result.

Until the result is committed they lie where nobody looks; a worker that dies on the way leaves no
row. At worst it leaves an object without one, which the next attempt, building the same, takes up.
"""

import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import Connection, insert

from service.database.files import FileRepository
from service.database.tables import Artifact
from service.storage.objects import Storage, Stored

DAY: Final = 24 * 60 * 60
NAME: Final = r"[a-z0-9][a-z0-9-]{0,59}\.pt2"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for a child to write to; it is gone in the end."""
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def sweep(parent: Path) -> None:
    """Drop the scratch folders of workers that were killed, more than a day ago."""
    for path in parent.glob("*"):
        with suppress(FileNotFoundError):  # others sweep, too
            if path.stat().st_mtime < time.time() - DAY:
                shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class Artifacts:
    """Files by name, staged in storage."""

    storage: Storage
    staged: Mapping[str, Stored]

    def add(self, connection: Connection, analysis_id: str | int) -> None:
        """Add the rows, and move the files to where the rows say: the end of a transaction."""
        files = FileRepository(connection)
        for file in sorted(self.staged.values(), key=lambda file: file.sha256):
            files.hold(file.sha256, file.size)
        rows = [
            {
                "analysis_id": analysis_id,
                "index": index,
                "name": name,
                "sha256": file.sha256,
                "size": file.size,
            }
            for index, (name, file) in enumerate(self.staged.items())
        ]
        if rows:
            connection.execute(insert(Artifact), rows)
        for file in self.staged.values():
            self.storage.keep(file)


@contextmanager
def stage(storage: Storage, folder: Path, names: Iterable[str]) -> Iterator[Artifacts]:
    """Copy files of `folder` into storage; those that are not added by the end are dropped."""
    staged: dict[str, Stored] = {}
    try:
        for name in names:
            staged[name] = storage.put_file(_inside(folder, name))
        yield Artifacts(storage, staged)
    finally:
        for file in staged.values():
            storage.discard(file)


def built(result: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that the plans of a result speak of."""
    return [plan["artifact"] for plan in result["plans"] if plan.get("artifact")]


def _inside(folder: Path, name: str) -> Path:
    """Return the path; raise ValueError where a child speaks of what it did not write there."""
    path = folder / name
    if not re.fullmatch(NAME, name) or path.is_symlink() or not path.is_file():
        raise ValueError(f"no file of the child: {name!r}")
    return path
