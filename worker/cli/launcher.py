"""`narrows worker`: starts worker processes, one per GPU, and restarts those that are killed."""

import logging
import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Final, NamedTuple

import typer

from service.broker.celery_app import QUEUES, TASKS
from service.child_processes import ChildProcesses, Ended
from service.logs import configure_logging
from worker.hardware.gpu import visible_gpus
from worker.hardware.memory import memory_budget

POLL_SECONDS: Final = 0.2
RESTART_SECONDS: Final = 1.0
INSPECTING_PART: Final = 4
"""The worker that only inspects gets the memory divided by this."""
INSPECT: Final = TASKS["inspect_model"]

log = logging.getLogger(__name__)


def worker(
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="The number of workers. Default: one per visible GPU, or one."),
    ] = None,
    queues: Annotated[
        str, typer.Option(help="The queues to serve, separated by commas.")
    ] = ",".join(QUEUES),
    pipeline: Annotated[str, typer.Option(hidden=True)] = "worker.pipeline.steps",
) -> None:
    """Run workers, which compute inspections and analyses.

    Example: narrows worker --workers 2 --queues analyze

    One extra worker, without a GPU, only inspects uploads, so that these
    never wait behind a long analysis. With one queue in --queues, there is
    no extra worker.

    SIGTERM or Ctrl-C stops all workers; other workers take over their work.
    A worker that is killed is started again. If a worker can't start, the
    command ends with status 1.
    """
    from service.database.migrate import upgrade_embedded  # slow, and not needed for --help

    if unknown := set(queues.split(",")).difference(QUEUES):
        raise typer.BadParameter(
            f"no such queue: {', '.join(sorted(unknown))}; choose from {', '.join(QUEUES)}."
        )
    from service.startup import checked_settings

    settings, remarks = checked_settings("worker")
    configure_logging(settings)
    for remark in remarks:
        log.warning(remark)
    upgrade_embedded(settings)
    gpus = visible_gpus() if settings.device != "cpu" else []
    if settings.device == "cuda" and not gpus:
        typer.echo(
            "NARROWS_DEVICE is cuda, but no GPU is visible here; see CUDA_VISIBLE_DEVICES.",
            err=True,
        )
        raise typer.Exit(1)
    specs = worker_specs(queues, gpus, workers)
    if settings.metrics_port:
        if settings.metrics_port + len(specs) > 1 << 16:
            typer.echo(
                f"NARROWS_METRICS_PORT is {settings.metrics_port}, which leaves too few ports for "
                f"{len(specs)} workers; the last port is 65535.",
                err=True,
            )
            raise typer.Exit(1)
        for port, spec in enumerate(specs, settings.metrics_port):
            spec.environment["NARROWS_METRICS_PORT"] = str(port)
    raise typer.Exit(Launcher(specs, pipeline).run())


class WorkerSpec(NamedTuple):
    """The queues and the environment of one worker process."""

    queues: str
    environment: dict[str, str]


def worker_specs(queues: str, gpus: Sequence[str], workers: int | None) -> list[WorkerSpec]:
    """Return the specs of `workers` workers (default: one per GPU), and of one that only inspects.

    The environment sets each worker's GPU, cores and memory in bytes.
    """
    count = workers or len(gpus) or 1
    chosen = (gpus[i % len(gpus)] if gpus else "" for i in range(count))
    cores, memory = max(1, (os.cpu_count() or 1) // count), memory_budget()
    one_inspects = INSPECT in queues.split(",") and queues != INSPECT
    inspecting = memory // INSPECTING_PART if one_inspects else 0
    share = (memory - inspecting) // count
    specs = [WorkerSpec(queues, _environment(gpu, cores, share)) for gpu in chosen]
    if one_inspects:
        specs.append(WorkerSpec(INSPECT, _environment("", cores, inspecting)))
    return specs


def _environment(gpu: str, cores: int, memory: int) -> dict[str, str]:
    """Return the environment of a worker with its share of the machine."""
    share = {"OMP_NUM_THREADS": str(cores), "NARROWS_MEMORY_BYTES": str(memory)}
    given = {name: value for name, value in os.environ.items() if value or name not in share}
    return {**share, **given, "CUDA_VISIBLE_DEVICES": gpu}


class Launcher:
    """Runs a worker process for each of `specs`, and starts a killed one again."""

    def __init__(self, specs: Sequence[WorkerSpec], pipeline: str) -> None:
        self._specs = {f"worker {number}": spec for number, spec in enumerate(specs)}
        self._pipeline = pipeline
        self._children = ChildProcesses()
        self._stopping = threading.Event()
        self._status = 0

    def run(self) -> int:
        """Run until all workers have ended; return 1 if one of them failed, else 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        for name in self._specs:
            self._start(name)
        while self._children:
            self._stopping.wait(POLL_SECONDS)
            for ended in self._children.take_ended():
                self._replace(ended)
        return self._status

    def _start(self, name: str) -> None:
        spec = self._specs[name]
        arguments = ["worker", "--tied", "--pipeline", self._pipeline, "--queues", spec.queues]
        self._children.start(name, arguments, spec.environment)
        if self._stopping.is_set():  # the signal came during the start and missed this worker
            self._children.terminate()

    def _replace(self, ended: Ended) -> None:
        """Start another worker for one that was killed; stop all if one failed by itself."""
        if self._stopping.is_set() or ended.status == 0:
            return
        if ended.status < 0:
            log.warning(
                "%s %d: killed by signal %d, starting another", ended.name, ended.pid, -ended.status
            )
            if not self._stopping.wait(RESTART_SECONDS):
                self._start(ended.name)
            return
        log.error("%s %d: ended with status %d, stopping all", ended.name, ended.pid, ended.status)
        self._status = 1
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        self._children.terminate()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()
