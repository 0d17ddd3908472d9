"""One worker process: Celery receives messages, a child computes, a thread reconciles."""

import argparse
import logging
import os
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import signals
from celery.platforms import SecurityWarning
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.broker.celery_app import QUEUES, Broker, make_celery
from service.database.engine import make_engine
from service.database.migrate import is_current
from service.logs import configure_logging, first_line
from service.parent_watch import stop_at_end_of_input
from service.settings import Settings, SettingsError, get_settings
from service.storage.handover import workers_storage
from worker.errors import ExplainedError
from worker.hardware.gpu import visible_gpus
from worker.hardware.memory import memory_budget
from worker.isolation.sandbox import LAYERS
from worker.isolation.scratch import sweep
from worker.isolation.supervisor import Supervisor
from worker.runtime.heartbeat import StoppingError
from worker.runtime.jobs import Jobs
from worker.runtime.metrics import SANDBOX, serve_metrics
from worker.runtime.reconciler import Reconciler
from worker.runtime.registration import Registration
from worker.runtime.tasks import Runner, register

log = logging.getLogger(__name__)


def main() -> None:
    """Run one worker until SIGTERM; exit with status 1 if it can't start."""
    options = _parse_arguments()
    os.dup2(2, 1)  # standard output belongs to the process that started the worker
    sys.__stdout__ = None  # type: ignore[misc]  # Celery prints its shutdown there
    try:
        settings = get_settings()
    except SettingsError as error:
        sys.exit(str(error))
    _log_to_stderr(settings)
    if options.tied:
        stop_at_end_of_input()
    engine = make_engine(settings.resolved_database_url)
    _require_schema(engine)
    _serve_metrics(settings)
    sys.exit(run_worker(settings, engine, options.queues, options.pipeline))


def run_worker(settings: Settings, engine: Engine, queues: str, pipeline: str) -> int:
    """Process messages from `queues` until SIGTERM; return the exit status."""
    app = make_celery(settings)
    app.conf.broker_connection_max_retries = None  # retry forever
    # Celery looks between waits whether to stop; otherwise the embedded broker's last 2 s.
    app.conf.broker_transport_options["longest_wait"] = 0.2
    broker = Broker(app)
    name = f"{socket.gethostname()[:100]}:{os.getpid()}"
    jobs = Jobs(
        engine,
        holder=name,
        lease_seconds=settings.lease_seconds,
        max_attempts=settings.max_attempts,
    )
    scratch = settings.data / "scratch"
    sweep(scratch)
    supervisor = Supervisor(
        preload=("torch", pipeline),
        seconds=settings.time_limit_seconds,
        memory_bytes=settings.memory_bytes or memory_budget(),
        scratch=scratch,
        sandboxed=settings.sandbox != "off",
    )
    storage = workers_storage(settings)
    cache = settings.data / "cache"
    runner = Runner(
        jobs,
        broker,
        storage,
        supervisor,
        cache=cache,
        pipeline=pipeline,
        inspection_seconds=settings.inspection_seconds,
    )
    register(app, runner)
    reconciler = Reconciler(jobs, broker)

    def stop(**_: Any) -> None:
        runner.stop()

    signals.worker_shutting_down.connect(stop)
    registration = Registration(engine, name=name, queues=queues, seconds=settings.lease_seconds)

    def warm() -> None:
        with suppress(ExplainedError, StoppingError):  # then the device stays unknown
            registration.sandbox = _active_layers(supervisor, runner.raise_if_stopping)
            device = supervisor.call(
                "worker.hardware.device", "device_name", watch=runner.raise_if_stopping
            )
            registration.device = device
            if device == "cpu" and settings.device == "auto" and visible_gpus():
                log.warning(
                    "there is a GPU, but the child does not see it; if torch has CUDA, "
                    "NARROWS_SANDBOX=off shows whether the sandbox is the reason"
                )

    if settings.sandbox == "require":
        _require_sandbox(supervisor)
    registration.start()
    threading.Thread(target=warm, name="warm", daemon=True).start()
    reconciler.start()
    worker = app.Worker(
        hostname=f"worker@{name}",
        queues=queues,
        pool="threads",
        concurrency=1,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    log.info("worker %s takes messages from %s", name, queues)
    worker.start()
    registration.stop()
    reconciler.stop()
    supervisor.close()
    return int(worker.exitcode or 0)


def _require_sandbox(supervisor: Supervisor) -> None:
    """End the process with the reasons if a layer of the sandbox is missing."""
    if missing := supervisor.missing_layers():
        supervisor.close()
        reasons = "; ".join(f"{layer}: {reason}" for layer, reason in missing.items())
        sys.exit(f"NARROWS_SANDBOX=require, but the sandbox lacks layers here. {reasons}")


def _active_layers(supervisor: Supervisor, watch: Callable[[], None]) -> list[str]:
    """Return the layers of the sandbox that hold here; put them into the log and the metrics."""
    missing = supervisor.missing_layers(watch)
    active = [] if missing is None else [layer for layer in LAYERS if layer not in missing]
    for layer in LAYERS:
        SANDBOX.labels(layer).set(layer in active)
    log.info("sandbox: %s", ", ".join(active) or "none (NARROWS_SANDBOX is off)")
    for layer, reason in (missing or {}).items():
        level = logging.INFO if layer == "user" else logging.WARNING  # the others hold without it
        log.log(level, "sandbox: without %s: %s", layer, reason)
    return active


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    parser.add_argument(
        "--queues", default=",".join(QUEUES), help="queues to serve (default: %(default)s)"
    )
    parser.add_argument("--tied", action="store_true", help="stop when standard input ends")
    parser.add_argument("--pipeline", default="worker.pipeline.steps", help=argparse.SUPPRESS)
    return parser.parse_args()


def _log_to_stderr(settings: Settings) -> None:
    configure_logging(settings)
    logging.getLogger("celery").setLevel(logging.WARNING)  # the tasks log more than Celery does
    signals.setup_logging.connect(_keep_logging)
    # Celery warns about root, since it could unpickle messages; here, messages are only JSON.
    warnings.filterwarnings("ignore", category=SecurityWarning)


def _keep_logging(**_: Any) -> None:
    """Keep our logging: Celery configures none if a function is connected to this signal."""


def _serve_metrics(settings: Settings) -> None:
    try:
        serve_metrics(settings)
    except OSError as error:
        sys.exit(f"No metrics at port {settings.metrics_port} (NARROWS_METRICS_PORT): {error}")


def _require_schema(engine: Engine) -> None:
    try:
        current = is_current(engine)
    except SQLAlchemyError as error:
        reason = first_line(error)
        sys.exit(f"The worker can't use the database (NARROWS_DATABASE_URL): {reason}")
    if not current:
        sys.exit("The database is not of this version: run `narrows migrate` first.")
