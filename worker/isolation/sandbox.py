"""The sandbox of a child: what it gives up before it reads an upload.

The reader of uploads keeps code out. The sandbox is for the day when it, or a native kernel of
torch, has a hole. See docs/security.md, "The sandbox".
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.isolation import landlock, privileges, seccomp

LAYERS: Final = ("user", "landlock", "seccomp")
SYSTEM: Final = ("/etc/ld.so.cache", "/etc/localtime", "/proc/self", "/proc/meminfo",
                 "/proc/cpuinfo", "/proc/stat", "/sys/devices/system")  # fmt: skip
LIBRARIES: Final = ("/usr", "/lib", "/lib64")
DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/random")
OF_CUDA: Final = ("/proc/driver/nvidia", "/proc/devices", "/proc/modules", "/proc/sys/vm",
                  "/sys/bus/pci", "/sys/devices", "/sys/module", "/etc/nvidia")  # fmt: skip
PACKAGES: Final = ("site-packages", "dist-packages")
"""The names of folders that hold installed packages."""
SPARE_BYTES: Final = 4 << 30
"""What a child may allocate beyond twice its memory budget: much of it is never touched."""


@dataclass(frozen=True)
class Sandbox:
    """What a child may use; it writes to its working directory only.

    `user` is the user that it becomes, None to stay who it is. It can't allocate much more than
    `memory_bytes`.
    """

    user: int | None = None
    memory_bytes: int | None = None

    def enter(self) -> dict[str, str]:
        """Enter the sandbox, for good; return the reasons why layers are missing, by layer.

        Call it before the process has a second thread: others would stay outside.
        """
        cuda = _has_cuda()
        paths = {
            "read": [*map(Path, SYSTEM), *_imported(), *(map(Path, OF_CUDA) if cuda else ())],
            "execute": [*map(Path, LIBRARIES), *interpreter()],
            "change": [Path()],
            "devices": [*map(Path, DEVICES), *(_cuda_devices() if cuda else ())],
        }
        missing: dict[str, str] = {}
        if not privileges.become(self.user):
            missing["user"] = (
                "it runs as root, and no other user can read the interpreter in "
                + " and ".join(map(str, interpreter()))
            )
        privileges.lock_down(
            None if cuda or self.memory_bytes is None else 2 * self.memory_bytes + SPARE_BYTES
        )
        try:
            landlock.restrict(**paths)
        except OSError as error:
            missing["landlock"] = str(error)
        try:
            seccomp.restrict(local_sockets=cuda)
        except OSError as error:
            missing["seccomp"] = str(error)
        return missing


def interpreter() -> list[Path]:
    """Return the folders of Python and of installed packages, a user's own among them."""
    prefixes = map(Path, (sys.prefix, sys.base_prefix))
    packages = (path for path in map(Path, sys.path) if path.name in PACKAGES and path.is_dir())
    return sorted({path.resolve() for path in (*prefixes, *packages)})


def needed() -> list[Path]:
    """Return the folders that a child reads, whoever it is."""
    return [*interpreter(), Path(__file__).resolve().parents[2]]


def _imported() -> list[Path]:
    """Return the folders of the packages imported so far: they may import more of themselves."""
    packages = (module for name, module in list(sys.modules.items()) if "." not in name)
    return [Path(folder) for module in packages for folder in getattr(module, "__path__", ())]


def _has_cuda() -> bool:
    return Path("/dev/nvidiactl").exists() and os.environ.get("CUDA_VISIBLE_DEVICES") != ""


def _cuda_devices() -> list[Path]:
    return [*Path("/dev").glob("nvidia*"), Path("/dev/shm")]  # noqa: S108 - CUDA's own
