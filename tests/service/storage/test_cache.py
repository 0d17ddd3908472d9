import errno
import hashlib
import os
from pathlib import Path

import pytest

from service.storage.cache import IN_USE_SECONDS, save


def name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def copy(folder: Path, content: bytes, *, limit: int, unused: float = 0) -> Path:
    """Save a copy that then has not been used for so many seconds."""
    path = folder / name_of(content)
    save([content[:2], content[2:]], len(content), path, limit)
    if unused:
        at = path.stat().st_mtime - unused
        os.utime(path, (at, at))
    return path


def test_the_longest_unused_make_room(tmp_path: Path) -> None:
    old, older, recent = (
        copy(tmp_path, content, limit=12, unused=IN_USE_SECONDS * times)
        for content, times in ((b"old!", 2), (b"older", 3), (b"now", 0))
    )
    new = copy(tmp_path, b"1234", limit=12)
    assert sorted(tmp_path.iterdir()) == sorted([old, recent, new])
    assert not older.exists()


def test_what_is_in_use_stays_beyond_the_limit(tmp_path: Path) -> None:
    both = [copy(tmp_path, content, limit=3) for content in (b"a model", b"its data")]
    assert sorted(tmp_path.iterdir()) == sorted(both)


def test_what_is_damaged_is_no_copy(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="differs") as caught:
        save([b"other bytes"], 11, tmp_path / name_of(b"these bytes"), 100)
    assert caught.value.errno == errno.EIO
    assert list(tmp_path.iterdir()) == []
