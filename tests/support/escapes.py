"""What code would try that got into the child through a hole: each returns what it got.

They run in the product's own child, in place of the pipeline.
"""

import ctypes
import os
import signal
import socket
import subprocess
from pathlib import Path


def read(path: str) -> str:
    return Path(path).read_bytes()[:10_000].decode(errors="replace")


def list_folder(path: str) -> list[str]:
    return [entry.name for entry in Path(path).iterdir()]


def write(path: str) -> str:
    return str(Path(path).write_text("mine"))


def delete(path: str) -> None:
    Path(path).unlink()


def link(path: str) -> None:
    Path("link").symlink_to(path)


def environment() -> dict[str, str]:
    return dict(os.environ)


def read_reopened(path: str) -> str:
    """Open the descriptor of a call's file again, for writing."""
    from worker.formats.files import _given

    return str(os.open(f"/proc/self/fd/{_given[path]}", os.O_RDWR))


def read_given(path: str) -> str:
    from worker.formats.files import open_file

    with open_file(path) as file:
        return file.read().decode()


def run_program() -> str:
    return subprocess.run(["/bin/echo", "ran"], capture_output=True, check=True).stdout.decode()


def fork_a_shell() -> int:
    if (child := os.fork()) == 0:
        try:
            os.execv("/bin/sh", ["sh", "-c", "exit 42"])
        finally:
            os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def connect(host: str, port: int) -> None:
    socket.create_connection((host, port), timeout=2).close()


def connect_locally(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(path)


def listen() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        return int(server.getsockname()[1])


def send_packet() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
        return to.sendto(b"secret", ("127.0.0.1", 9))


def signal_process(pid: int) -> None:
    os.kill(pid, signal.SIGUSR1)


def signal_everybody() -> None:
    os.kill(-1, 0)


def trace(pid: int) -> None:
    _call("ptrace", 16, pid, 0, 0)  # PTRACE_ATTACH


def read_memory(pid: int) -> str:
    return read(f"/proc/{pid}/mem")


def leave_the_group() -> None:
    os.setsid()


def new_namespace() -> None:
    _call("unshare", 0x10000000)  # CLONE_NEWUSER


def become_root() -> int:
    os.setuid(0)
    os.chown("mine", 0, 0)
    return os.getuid()


def open_files() -> list[str]:
    """Return what the open descriptors point to, but for those of pipes and sockets."""
    targets = []
    for number in range(3, 64):
        try:
            os.fstat(number)
            targets.append(str(Path(f"/proc/self/fd/{number}").readlink()))
        except OSError:
            continue
    return [target for target in targets if target.startswith("/")]


def _call(name: str, *arguments: int) -> None:
    if ctypes.CDLL(None, use_errno=True)[name](*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
