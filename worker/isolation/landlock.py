"""Landlock: the process gives up access to files, TCP and other processes, for good.

The kernel's interface is https://docs.kernel.org/userspace-api/landlock.html. The C library has no
functions for it, so the system calls are made by number.
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""The numbers of the system calls, the same on every architecture."""
RULE_PATH_BENEATH, GET_VERSION = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << n for n in range(6))
MAKE_DIR, MAKE_REG, TRUNCATE, IOCTL_DEV = 1 << 7, 1 << 8, 1 << 14, 1 << 15
OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""The rights that a rule may give on what is no folder."""
READ: Final = READ_FILE | READ_DIR
CHANGE: Final = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE
DEVICE: Final = READ_FILE | WRITE_FILE | IOCTL_DEV

_libc = ctypes.CDLL(None, use_errno=True)


class LandlockError(OSError):
    """The kernel has no Landlock, or one that is too old to be of use."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """Return the version of the kernel's Landlock; raise LandlockError without one."""
    return _call(CREATE_RULESET, None, 0, GET_VERSION)


def restrict(
    *,
    read: Iterable[Path],
    execute: Iterable[Path],
    change: Iterable[Path],
    devices: Iterable[Path],
) -> None:
    """Restrict this thread, and what it starts from now on.

    What lies at or below `read` may be read, that below `execute` also be mapped as code, and that
    below `change` changed. Nothing else can be opened. From version 4 of Landlock on, TCP is
    refused, and from 6 on signals to processes outside. Paths that don't exist are left out.

    Raises LandlockError where the kernel can't.
    """
    has = version()
    files = (1 << (13 if has < 2 else 14 if has < 3 else 15 if has < 5 else 16)) - 1
    rules = _Ruleset(files, 0b11 if has >= 4 else 0, 0b11 if has >= 6 else 0)
    size = 24 if has >= 6 else 16 if has >= 4 else 8
    ruleset = _call(CREATE_RULESET, ctypes.byref(rules), size, 0)
    given = ((read, READ), (execute, READ | EXECUTE), (change, CHANGE), (devices, DEVICE))
    for paths, rights in given:
        for path in paths:
            _allow(ruleset, path, rights & files)
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not path.is_dir():
        rights &= OF_FILES
    _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(_PathBeneath(rights, place)), 0)
    os.close(place)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise LandlockError(code, f"Landlock: {os.strerror(code)}")
    return result
