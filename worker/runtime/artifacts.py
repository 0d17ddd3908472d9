"""The files that work builds: written to a scratch folder, staged in storage, then committed.

Only the commit makes them visible: a worker that dies before leaves no row. At worst it leaves an
object without a row; the next attempt builds the same object and uses it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, insert

from service.database.files import FileRepository
from service.database.jobs import UNLISTED, JobKind
from service.storage.objects import Storage
from service.storage.stored import Stored

NAME: Final = r"[a-z0-9][a-z0-9-]{0,59}\.(pt2|checkpoint|npz)"


@dataclass(frozen=True)
class Artifacts:
    """Built files by name, staged in storage."""

    storage: Storage
    staged: Mapping[str, Stored]

    @property
    def only(self) -> Stored | None:
        """The file, where there is at most one."""
        return next(iter(self.staged.values()), None)

    def hold(self, connection: Connection) -> None:
        """Lock the rows of the files until the transaction ends, in the order of their hashes."""
        files = FileRepository(connection)
        for file in sorted(self.staged.values(), key=lambda file: file.sha256):
            files.hold(file.sha256, file.size)

    def keep(self) -> None:
        """Move the files to their addresses, at the end of the transaction."""
        for file in self.staged.values():
            self.storage.keep(file)

    def add(self, connection: Connection, kind: JobKind[Any], identity: str | int) -> None:
        """Insert the rows and move the files to their addresses, at the end of a transaction."""
        self.hold(connection)
        rows = [
            {
                kind.key: identity,
                "index": UNLISTED.get(name, index),
                "name": name,
                "sha256": file.sha256,
                "size": file.size,
            }
            for index, (name, file) in enumerate(self.staged.items())
        ]
        if rows:
            connection.execute(insert(kind.artifact), rows)
        self.keep()


@contextmanager
def stage(storage: Storage, folder: Path, names: Iterable[str]) -> Iterator[Artifacts]:
    """Stage files of `folder` in storage; discard those that were not added in the context."""
    staged: dict[str, Stored] = {}
    try:
        for name in names:
            staged[name] = storage.put_file(_inside(folder, name))
        yield Artifacts(storage, staged)
    finally:
        for file in staged.values():
            storage.discard(file)


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file that the child wrote; raise ValueError for any other name."""
    path = folder / name
    if not re.fullmatch(NAME, name) or path.is_symlink() or not path.is_file():
        raise ValueError(f"no file of the child: {name!r}")
    return path
