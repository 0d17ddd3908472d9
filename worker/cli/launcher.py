"""`narrows worker`: starts worker processes, one per GPU, and ends with them.

Each worker reads its standard input from a pipe that nobody writes to. When the launcher is gone,
however it went, the pipe ends, and the worker stops as on SIGTERM: no signal can be missed, and
none is needed.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Final, NamedTuple

import typer

from service.broker.celery_app import TASKS
from service.logs import configure_logging
from service.settings import get_settings
from worker.hardware.gpu import visible_gpus
from worker.hardware.memory import memory_budget

POLL_SECONDS: Final = 0.2
RESTART_SECONDS: Final = 1.0
INSPECTING_PART: Final = 4
"""One part in so many of the memory is for the worker that only inspects."""
INSPECT: Final = TASKS["inspect_model"]

log = logging.getLogger(__name__)


def worker(
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="How many processes. Default: one per visible GPU, or one."),
    ] = None,
    queues: Annotated[
        str, typer.Option(help="Which queues to serve, separated by commas.")
    ] = ",".join(sorted(set(TASKS.values()))),
    pipeline: Annotated[str, typer.Option(hidden=True)] = "worker.pipeline.steps",
) -> None:
    """Run workers, which compute what the API is asked for.

    Example: narrows worker --workers 2 --queues analyze

    One more, without a GPU, only inspects uploads, so that these never wait
    behind a long analysis; unless --queues asks for one queue alone.

    SIGTERM or Ctrl-C stops them; work in hand goes back for others to take.
    A worker that is killed is started again. One that can't start ends the
    command with status 1.
    """
    from service.database.migrate import upgrade_embedded  # slow, and unneeded for --help

    if unknown := set(queues.split(",")) - set(TASKS.values()):
        raise typer.BadParameter(f"no such queue: {', '.join(sorted(unknown))}")
    settings = get_settings()
    configure_logging(settings)
    upgrade_embedded(settings)
    gpus = visible_gpus() if settings.device != "cpu" else []
    if settings.device == "cuda" and not gpus:
        typer.echo("NARROWS_DEVICE is cuda, but no GPU is visible here.", err=True)
        raise typer.Exit(1)
    made = posts(queues, gpus, workers)
    if settings.metrics_port:
        for port, post in enumerate(made, settings.metrics_port):
            post.environment["NARROWS_METRICS_PORT"] = str(port)
    raise typer.Exit(Fleet(made, pipeline).run())


class Post(NamedTuple):
    """What one worker process is started with."""

    queues: str
    environment: dict[str, str]


def posts(queues: str, gpus: Sequence[str], workers: int | None) -> list[Post]:
    """Return the posts of `workers`, or one a GPU, and of one that only inspects."""
    count = workers or len(gpus) or 1
    chosen = (gpus[i % len(gpus)] if gpus else "" for i in range(count))
    cores, memory = max(1, (os.cpu_count() or 1) // count), memory_budget()
    one_inspects = INSPECT in queues.split(",") and queues != INSPECT
    inspecting = memory // INSPECTING_PART if one_inspects else 0
    share = (memory - inspecting) // count
    made = [Post(queues, _environment(gpu, cores, share)) for gpu in chosen]
    if one_inspects:
        made.append(Post(INSPECT, _environment("", cores, inspecting)))
    return made


def _environment(gpu: str, cores: int, memory: int) -> dict[str, str]:
    """Return the environment of a worker with its share of the machine."""
    share = {"OMP_NUM_THREADS": str(cores), "NARROWS_MEMORY_BYTES": str(memory)}
    return {**share, **os.environ, "CUDA_VISIBLE_DEVICES": gpu}


class Fleet:
    """Worker processes, one for each of `posts`."""

    def __init__(self, posts: Sequence[Post], pipeline: str) -> None:
        self._posts = posts
        self._command = [sys.executable, "-m", "worker", "--tied", "--pipeline", pipeline]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._status = 0

    def run(self) -> int:
        """Run until all workers have ended; return 1 if one could not go on, else 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        for slot in range(len(self._posts)):
            self._start(slot)
        while self._processes:
            self._stopping.wait(POLL_SECONDS)
            for slot, process in list(self._processes.items()):
                if (code := process.poll()) is not None:
                    self._ended(slot, code)
        return self._status

    def _start(self, slot: int) -> None:
        post = self._posts[slot]
        self._processes[slot] = subprocess.Popen(  # noqa: S603
            [*self._command, "--queues", post.queues],
            env=post.environment,
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the launcher only, which passes it on
        )
        if self._stopping.is_set():  # the signal came in between and missed this one
            self._processes[slot].terminate()

    def _ended(self, slot: int, code: int) -> None:
        process = self._processes.pop(slot)
        if process.stdin:
            process.stdin.close()
        if self._stopping.is_set() or code == 0:
            return
        if code < 0:
            log.warning("worker %d: killed by signal %d, starting another", process.pid, -code)
            if not self._stopping.wait(RESTART_SECONDS):
                self._start(slot)
            return
        log.error("worker %d: ended with status %d, stopping all", process.pid, code)
        self._status = 1
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        for process in self._processes.values():
            process.terminate()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()
