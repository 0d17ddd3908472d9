"""Refuses what would exceed an owner's limits of jobs, uploads or bytes.

A check holds a lock on the owner until the transaction ends, so requests that come at once don't
exceed a limit together.
"""

from math import ceil
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.dialect import is_postgresql
from service.database.jobs import JobKind
from service.http.problems import TooLargeError, TooManyRequestsError
from service.http.security import Caller
from service.quotas.used import DAY, JOBS, active_jobs, bytes_used, uploads_of_day

RETRY_SECONDS: Final = 10
"""When to ask again for a job, since one of hundreds may have ended."""


def require_job(session: Session, kind: JobKind[Any], caller: Caller) -> None:
    """Raise TooManyRequestsError if the caller has as many unfinished jobs as it may have."""
    _lock(session, f"{kind.noun}:{caller.owner}")
    (name,) = (name for name, other in JOBS.items() if other is kind)
    limit = getattr(caller.limits, name)
    used = active_jobs(session, kind, caller.owner)
    if used >= limit:
        raise TooManyRequestsError(
            f"{used} {name} are queued or running, and {limit} may be; wait until one ends, or "
            "cancel one.",
            retry_after=RETRY_SECONDS,
            headers=_fields(name, limit),
            limit=limit,
        )


def require_upload(session: Session, caller: Caller, size: int, *, lock: bool = True) -> None:
    """Raise TooManyRequestsError or TooLargeError if the caller may not upload `size` bytes.

    Without `lock`, others may exceed the limit meanwhile: for a look before a body is received.
    """
    if lock:
        _lock(session, f"upload:{caller.owner}")
    limits = caller.limits
    count, first = uploads_of_day(session, caller.owner)
    if count >= limits.uploads_per_day:
        left = first + DAY - utc_now() if first else DAY
        seconds = max(1, ceil(left.total_seconds()))
        raise TooManyRequestsError(
            f"{count} uploads came in the last 24 hours, and {limits.uploads_per_day} may; the "
            f"next may come in {seconds} s.",
            retry_after=seconds,
            headers=_fields("uploads", limits.uploads_per_day, DAY.total_seconds(), seconds),
            limit=limits.uploads_per_day,
        )
    stored = bytes_used(session, caller.owner)
    if stored + size > limits.bytes:
        raise TooLargeError(
            f"{stored} of {limits.bytes} bytes are used, and this needs {size}; delete uploads, or "
            "analyses and trials with the networks that they built.",
            limit=limits.bytes,
        )


def _fields(
    name: str, limit: int, window: float | None = None, reset: int | None = None
) -> dict[str, str]:
    """Return draft-ietf-httpapi-ratelimit-headers' fields for a limit that is used up."""
    per, after = (f";w={window:.0f}" if window else ""), (f";t={reset}" if reset else "")
    return {"RateLimit-Policy": f'"{name}";q={limit}{per}', "RateLimit": f'"{name}";r=0{after}'}


def _lock(session: Session, name: str) -> None:
    """Let the transactions that lock this name come one after another; on SQLite, all do."""
    if is_postgresql(session):
        key = func.hashtextextended(name, 0)
        session.execute(select(func.pg_advisory_xact_lock(key)))
