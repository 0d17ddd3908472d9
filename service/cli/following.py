"""Follows a job to its end; whoever leaves is told how to come back."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from narrows.client import Analysis, ApiError, Client, Trial, UnreachableError
from service.cli.errors import CommandError, TerminatedError
from service.cli.progress import Pace, Steps
from service.cli.report_summary import print_first_look
from service.cli.uploading import Check, text_of

STAGES = {"queued": "waiting for a worker", "plan": "planning", "reduce": "reducing", "done": ""}

SECOND_THOUGHTS = 3.0
"""Seconds in which a second Ctrl-C cancels the analysis."""


@contextmanager
def connected(
    steps: Steps, check: Check = lambda: None, client: Client | None = None
) -> Iterator[Client]:
    """Yield a client that says when it tries again, and that calls `check` before it does."""
    with client or Client() as connection:
        connection.on_retry(retry_notes(steps, check))
        yield connection


def retry_notes(
    steps: Steps, check: Check = lambda: None
) -> Callable[[Exception, int, float], None]:
    """Return what to call before a repeat: it calls `check`, and says once that we try again."""

    def say(error: Exception, repeat: int, _: float) -> None:
        check()
        if repeat == 0:
            steps.note(f"{error}\nTrying again …")

    return say


def follow(steps: Steps, client: Client, identity: str, check: Check = lambda: None) -> Analysis:
    """Show the progress of an analysis until it has ended; return it, however it ended."""
    pace, looked = Pace(), False
    with steps.step("Analysing") as step:
        for analysis in client.analyses.watch(identity):
            check()
            look = analysis.first_look
            if look and not looked:
                print_first_look(steps.console, look)
                looked = True
            progress = analysis.progress
            step.update(progress.done, progress.total or None, said(analysis, pace))
    return analysis


def followed(steps: Steps, client: Client, identity: str) -> Analysis:
    """Return an analysis that has succeeded, as `follow` does; Ctrl-C leaves it."""
    with left_on_interrupt(steps, client, identity):
        analysis = follow(steps, client, identity)
    require_success(analysis)
    return analysis


def said(analysis: Analysis, pace: Pace | None = None) -> str:
    """Return the stage of an analysis, and how long it will take by the shards that are done."""
    progress = analysis.progress
    shards = f"{progress.done} of {progress.total} shards"
    text = STAGES.get(progress.stage, shards)
    left = progress.seconds_left
    if pace is not None and progress.stage == "shards":
        own = pace.seconds_left(progress.done, progress.total)
        left = left if own is None else own
    return with_time_left(text, left)


def with_time_left(text: str, seconds: float | None) -> str:
    """Return a stage with the time that is left, where that is known.

    >>> with_time_left("1 of 8 shards", 150), with_time_left("planning", None)
    ('1 of 8 shards, 2 min left', 'planning')
    """
    if not seconds:
        return text
    left = f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
    return f"{text}, {left} left"


def require_success(job: Analysis | Trial) -> None:
    """Raise CommandError for an analysis or a trial that failed or was cancelled."""
    noun = noun_of(job.id)
    if job.state == "failed":
        raise CommandError(f"The {noun} {job.id} failed.\n{text_of(job.error)}")
    if job.state == "cancelled":
        raise CommandError(f"The {noun} {job.id} was cancelled.")


def noun_of(identity: str) -> str:
    """Return what has this id.

    >>> noun_of("trl_9d5e4f60718293040b3fa1c0")
    'trial'
    """
    return "trial" if identity.startswith("trl") else "analysis"


@contextmanager
def left_on_interrupt(steps: Steps, client: Client, identity: str) -> Iterator[None]:
    """On Ctrl-C, say how to come back to a job; on a second one, or SIGTERM, cancel it."""
    try:
        yield
    except KeyboardInterrupt:
        try:  # also the note, since Ctrl-C may come at once
            steps.note(
                f"The {noun_of(identity)} goes on; come back with: narrows show {identity}\n"
                f"Ctrl-C once more, within {SECOND_THOUGHTS:.0f} s, cancels it."
            )
            time.sleep(SECOND_THOUGHTS)
        except (KeyboardInterrupt, TerminatedError):
            _cancel(steps, client, identity)
        raise
    except TerminatedError:
        _cancel(steps, client, identity)
        raise


@contextmanager
def cancelled_on_interrupt(steps: Steps, client: Client, identity: str) -> Iterator[None]:
    """Cancel a job on any interruption: its service ends, too."""
    try:
        yield
    except (KeyboardInterrupt, TerminatedError):
        _cancel(steps, client, identity)
        raise


def cancel_job(client: Client, identity: str) -> Analysis | Trial:
    """Cancel an analysis or a trial, and return it."""
    if noun_of(identity) == "trial":
        return client.trials.cancel(identity)
    return client.analyses.cancel(identity)


def _cancel(steps: Steps, client: Client, identity: str) -> None:
    noun = noun_of(identity)
    try:
        cancel_job(client, identity)
    except (ApiError, UnreachableError) as error:
        steps.note(f"The {noun} {identity} could not be cancelled: {error}")
    else:
        steps.note(f"Cancelled the {noun} {identity}.")
