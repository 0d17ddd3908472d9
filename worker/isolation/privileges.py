"""The user, the capabilities and the limits of a child process."""

import ctypes
import os
import resource
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final

NOBODY: Final = 65534
SET_PDEATHSIG, SET_DUMPABLE, SET_NO_NEW_PRIVS = 1, 4, 38
"""Options of prctl(2)."""
CAPABILITY_VERSION_3: Final = 0x20080522
OPEN_FILES: Final = 1024
PROCESSES: Final = 4096
"""The most processes and threads of the user: they share the count, so this only stops a bomb."""
FILE_BYTES: Final = 64 << 30
"""The largest file that may be written."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)


def lock_down(memory_bytes: int | None) -> None:
    """Forbid new privileges, core dumps and tracing by the same user; set the limits.

    `memory_bytes` limits what may be allocated in all, None leaves it open.
    """
    _prctl(SET_NO_NEW_PRIVS, 1)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_NPROC, PROCESSES)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    if memory_bytes is not None:
        _limit(resource.RLIMIT_DATA, memory_bytes)
    _prctl(SET_DUMPABLE, 0)


def end_with_parent() -> None:
    """End this process with its parent, for as long as it stays the same user."""
    parent = os.getppid()
    _prctl(SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def unprivileged_user(needed: Iterable[Path]) -> int | None:
    """Return the user that a child of root should become; None where there is none.

    That is `nobody`, if it can read what is `needed`. None, too, for a process that is not root.
    """
    if os.geteuid() != 0 or not all(map(_all_may_read, needed)):
        return None
    return NOBODY


def become(user: int | None) -> bool:
    """Become this user, or give up all capabilities; return whether the process is not root."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _drop_capabilities()
    return os.getuid() != 0


def _all_may_read(path: Path) -> bool:
    """Return whether every user may read what lies at or below a folder that root owns."""
    place = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in place.parents) and bool(
        place.stat().st_mode & 0o004
    )


def _drop_capabilities() -> None:
    """Empty the sets of capabilities of this thread (man 2 capset)."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if _libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _limit(kind: int, value: int) -> None:
    """Lower a limit; one that is lower already stays."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))
