"""Seccomp: the process gives up system calls that computing never needs, for good."""

import errno
import os
import socket
import termios
from typing import Any, Final

try:
    import pyseccomp
except (ImportError, OSError, RuntimeError) as missing:  # it looks for libseccomp when imported
    pyseccomp, _missing = None, str(missing)

NAMESPACES: Final = (
    0x20000,
    0x02000000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
"""The flags of `clone` that make new namespaces (CLONE_NEWNS … CLONE_NEWNET)."""
PROGRAMS: Final = ("execve", "execveat")
PROCESSES: Final = (
    "kcmp", "pidfd_getfd", "pidfd_open", "process_madvise", "process_vm_readv",
    "process_vm_writev", "ptrace", "setpgid", "setsid",
)  # fmt: skip
KERNEL: Final = (
    "acct", "add_key", "bpf", "chroot", "clock_adjtime", "clock_settime", "delete_module",
    "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module",
    "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kexec_file_load",
    "kexec_load", "keyctl", "lookup_dcookie", "mknod", "mknodat", "mount", "mount_setattr",
    "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree", "perf_event_open",
    "personality", "pivot_root", "quotactl", "reboot", "request_key", "setns", "settimeofday",
    "swapoff", "swapon", "syslog", "umount2", "unshare", "userfaultfd", "vhangup",
)  # fmt: skip
UNKNOWN: Final = -1
"""The number that libseccomp gives to a name that it does not know."""


class SeccompError(OSError):
    """The system has no libseccomp, or its kernel refuses the filter."""


def restrict(*, local_sockets: bool) -> None:
    """Refuse dangerous system calls, with EPERM, to this thread and what it starts from now on.

    No program can be run, no socket be made (only local ones with `local_sockets`, which CUDA
    needs), no other process be traced or get a signal, no namespace or mount be made.

    Raises SeccompError where that can't be done.
    """
    if pyseccomp is None:
        raise SeccompError(f"libseccomp can't be used ({_missing})")
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        refuse = pyseccomp.ERRNO(errno.EPERM)
        for name in (*PROGRAMS, *PROCESSES, *KERNEL):
            _add(rules, refuse, name)
        if local_sockets:
            not_local = pyseccomp.Arg(0, pyseccomp.NE, int(socket.AF_UNIX))
            rules.add_rule(refuse, "socket", not_local)
        else:
            rules.add_rule(refuse, "socket")
        for flag in NAMESPACES:
            has_flag = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag)
            rules.add_rule(refuse, "clone", has_flag)
        # The flags of clone3 can't be seen here. Without it, the C library takes clone.
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
        others = pyseccomp.Arg(0, pyseccomp.NE, os.getpid())
        for name in ("kill", "tgkill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            rules.add_rule(refuse, name, others)
        for command in (termios.TIOCSTI, termios.TIOCLINUX):  # input for the terminal
            word = pyseccomp.Arg(1, pyseccomp.MASKED_EQ, 0xFFFFFFFF, command)
            rules.add_rule(refuse, "ioctl", word)
        rules.load()
    except (OSError, RuntimeError) as error:
        raise SeccompError(f"the kernel or libseccomp refuses the filter ({error})") from error


def _add(rules: Any, action: int, name: str) -> None:
    """Add a rule for a system call, unless this libseccomp is too old to know it."""
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    if number != UNKNOWN:
        rules.add_rule(action, number)
