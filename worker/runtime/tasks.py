"""The Celery task: a message wakes it, and it takes a piece of work from the database."""

import logging
import threading
import time
from itertools import compress
from pathlib import Path
from typing import Any, Final

from celery import Celery
from sqlalchemy.exc import InternalError, OperationalError
from structlog.contextvars import bind_contextvars, clear_contextvars

from service.broker.celery_app import WAKE_UP, Broker
from service.logs import first_line
from service.storage.damage import DamagedFileError
from service.storage.disk_full import is_disk_full
from service.storage.errors import StorageError
from service.storage.objects import Storage
from worker.errors import RefusedError, StoredFileError
from worker.isolation.errors import ChildDiskFullError, ChildFailedError, ChildKilledError
from worker.isolation.supervisor import Supervisor
from worker.runtime.artifacts import stage
from worker.runtime.heartbeat import Heartbeat, StoppingError
from worker.runtime.instrumentation import timed
from worker.runtime.jobs import Jobs
from worker.runtime.leases import CancelledWorkError, Claim, LeaseLostError
from worker.runtime.messages import WakeUps, wake
from worker.runtime.scheduling import Turn
from worker.runtime.task_inputs import StoredFile, TaskInputs

RETRY_SECONDS: Final = 5.0
FULL_SECONDS: Final = 30.0
"""Between attempts that find the disk of the worker full: each may compute for long before."""
MOST_SECONDS: Final = 300.0
PAUSE_SECONDS: Final = 1.0
INSPECTED_PER_SECOND: Final = 16 << 20
"""How fast large uploads are inspected at least, in bytes."""

log = logging.getLogger(__name__)


class Runner:
    """Does leased work in the child of a supervisor, with the functions of the module `pipeline`.

    `cache` is the folder for copies of remote files. An inspection may take `inspection_seconds`,
    and one more for each INSPECTED_PER_SECOND bytes.
    """

    def __init__(
        self,
        jobs: Jobs,
        broker: Broker,
        storage: Storage,
        supervisor: Supervisor,
        *,
        cache: Path,
        pipeline: str = "worker.pipeline.steps",
        inspection_seconds: float = 60.0,
    ) -> None:
        self._jobs, self._broker, self._storage = jobs, broker, storage
        self._supervisor = supervisor
        self._cache, self._pipeline = cache, pipeline
        self._inspection_seconds = inspection_seconds
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Release the current work for other workers, and claim no more."""
        self._stopping.set()

    def raise_if_stopping(self) -> None:
        """Raise StoppingError after `stop` was called."""
        if self._stopping.is_set():
            raise StoppingError

    def run(self, queue: str) -> None:
        """Claim the next piece of a queue, and do it."""
        if self._stopping.is_set():  # leave the message to other workers
            wake(self._broker, [queue])
            return
        try:
            if turn := self._jobs.claim_next(queue):
                self.take(turn)
            else:
                log.debug("%s: nothing to do", queue)
        except (OperationalError, InternalError) as error:
            reason = first_line(error.orig)
            log.warning("%s: work waits, the database does not answer: %s", queue, reason)
            self._stopping.wait(PAUSE_SECONDS)  # else all messages would be used up at once
        finally:
            clear_contextvars()

    def take(self, turn: Turn) -> None:
        """Do a claimed piece, commit its end, charge its owner, and wake others."""
        work, ids = turn.claim.work, turn.claim.ids
        bind_contextvars(task=work.task, **dict(zip(("job", "shard"), ids, strict=False)))
        begun = time.monotonic()
        wake_ups: WakeUps = []
        try:
            wake_ups = self._finish(turn.claim)
        except LeaseLostError as lost:
            cancelled = isinstance(lost, CancelledWorkError)
            why = "it was cancelled" if cancelled else "its lease is lost"
            log.info("%s %s: dropped, since %s", work.task, ids, why)
            if work.job:
                self._jobs.cancel(work.job, ids[0])
        self._jobs.settle(turn, time.monotonic() - begun)
        if work.spares_a_worker:  # the owner's next one may have been passed over for this one
            wake_ups = [*wake_ups, work.queue]
        wake(self._broker, wake_ups)

    def _finish(self, claim: Claim) -> WakeUps:
        """Do the work and commit how it ended; raise LeaseLostError if the lease is lost."""
        with Heartbeat(self._jobs, claim, self._stopping) as heartbeat:
            try:
                with timed(claim):
                    try:
                        return self._do(claim, heartbeat)
                    except LeaseLostError:
                        raise self._jobs.why_lost(claim) from None
            except ChildKilledError as ending:
                log.warning("%s %s: %s", claim.work.task, claim.ids, ending)
                return self._jobs.retry(claim, ending.detail)
            except ChildDiskFullError as ending:
                log.warning("%s %s waits for space: %s", claim.work.task, claim.ids, ending)
                return self._jobs.give_back(claim, delay=FULL_SECONDS)
            except (RefusedError, StoredFileError, ChildFailedError) as ending:
                log.info("%s %s: %s", claim.work.task, claim.ids, ending)
                return self._jobs.fail(claim, ending.as_problem())
            except StoppingError:
                return self._jobs.give_back(claim)
            except LeaseLostError:
                raise
            except Exception as error:
                if isinstance(error, StorageError) or is_disk_full(error):
                    log.warning("%s %s waits for storage: %s", claim.work.task, claim.ids, error)
                    return self._jobs.give_back(claim, delay=RETRY_SECONDS)
                log.exception("%s %s failed outside of the child", claim.work.task, claim.ids)
                happened = "Its worker could not read its files or write its result."
                return self._jobs.retry(claim, happened, delay=_patience(claim))

    def _do(self, claim: Claim, heartbeat: Heartbeat) -> WakeUps:
        """Compute and commit; if the work builds files, in a scratch folder."""
        if not claim.work.builds_files:
            return self._jobs.commit(claim, self._compute(claim, heartbeat))
        with self._supervisor.folder() as folder:
            result = self._compute(claim, heartbeat, folder.name)
            with stage(self._storage, folder, claim.work.files(result)) as artifacts:
                return self._jobs.commit(claim, result, artifacts)

    def _compute(self, claim: Claim, heartbeat: Heartbeat, *folders: str) -> Any:
        inputs = self._jobs.inputs(claim)
        bind_contextvars(request_id=inputs.request_id)

        def watch() -> None:
            heartbeat.raise_if_ended()
            inputs.require_time_left()

        watch()
        arguments = [self._fetched(argument) for argument in inputs.arguments]
        stored = [isinstance(argument, StoredFile) for argument in inputs.arguments]
        return self._supervisor.call(
            self._pipeline,
            claim.work.task,
            *arguments,
            *folders,
            files=[*compress(arguments, stored)],
            owner=inputs.owner,
            watch=watch,
            memory_bytes=inputs.memory_bytes,
            seconds=self._seconds(inputs),
        )

    def _seconds(self, inputs: TaskInputs) -> float | None:
        """Return the time limit of an inspection: short, since others wait for theirs."""
        if inputs.inspected_bytes is None:
            return None
        return self._inspection_seconds + inputs.inspected_bytes / INSPECTED_PER_SECOND

    def _fetched(self, argument: Any) -> Any:
        """Return the path of a stored file, and other arguments as they are.

        Raises StoredFileError if the file is not there as it was stored.
        """
        if not isinstance(argument, StoredFile):
            return argument
        try:
            return str(self._storage.fetch(argument.sha256, into=self._cache))
        except FileNotFoundError:
            raise StoredFileError(
                "file-missing",
                "A stored file is missing",
                f"The file with the SHA-256 {argument.sha256} is not in the storage of this "
                "worker. Upload it again; or its operator has to give API and workers the same "
                "storage.",
            ) from None
        except DamagedFileError:
            raise StoredFileError(
                "file-damaged",
                "A stored file is damaged",
                f"The file with the SHA-256 {argument.sha256} has another content now than when it "
                "was stored. Upload it again; its operator should know.",
            ) from None


def _patience(claim: Claim) -> float:
    """Return the seconds until the next attempt: minutes in all, so that an operator can help."""
    return min(RETRY_SECONDS * 2.0**claim.attempt, MOST_SECONDS)


def register(app: Celery, runner: Runner) -> None:
    """Add the task to `app` that messages wake."""
    app.task(runner.run, name=WAKE_UP)
