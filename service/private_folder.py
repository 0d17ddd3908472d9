"""Keeps other users of the machine out of what a server stores."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

OTHERS: Final = 0o077
"""What groups and all others may do, in modes."""
SCRATCH: Final = "scratch"
"""The folder of workers, whose children may be another user; each folder in it is private."""


def keep_private() -> None:
    """Let new files and folders of this process, and of those it starts, be its user's alone."""
    os.umask(OTHERS)


def make_private(folder: Path) -> int:
    """Take from others what they may do with the files in a folder; return how many these were."""
    return sum(map(_is_changed, _all_in(folder)))


def _all_in(folder: Path) -> Iterator[Path]:
    yield folder
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(place, name)
        if SCRATCH in folders:
            folders.remove(SCRATCH)


def _is_changed(path: Path) -> bool:
    with suppress(OSError):  # deleted meanwhile, of another user, or read-only
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)
            return True
    return False
