"""Creating jobs, each once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from narrows.vocabulary import AnalysisState
from service.database.base import new_id
from service.database.jobs import J, JobArtifact, JobKind
from service.http.audit import record
from service.http.dependencies import enqueue
from service.http.problems import KeyReusedError
from service.http.quotas import require_job
from service.http.security import Caller
from service.jobs.repository import JobRepository
from service.logs import request_id
from service.naming.schemas import Naming


def create(
    session: Session,
    kind: JobKind[J],
    caller: Caller,
    request: dict[str, Any],
    naming: Naming,
    idempotency_key: str | None,
    *,
    task: str,
    checked: Callable[[], Mapping[str, Any]],
    state: AnalysisState = "queued",
    files: Sequence[JobArtifact] = (),
) -> J:
    """Return a new job in this state, or the one that a request with this key created before.

    `checked` is called for a new one; it returns further columns, or raises. `task` is the message
    that begins the work. It begins with the `files` of another job. A repeated request changes no
    names. Raises KeyReusedError if the idempotency key came with another request, and
    TooManyRequestsError if the caller has as many unfinished jobs as it may have.
    """
    jobs = JobRepository(session, kind)
    existing = jobs.by_idempotency_key(caller.owner, idempotency_key)
    if existing is None:
        require_job(session, kind, caller)
        new = jobs.add(
            id=new_id(kind.prefix),
            owner=caller.owner,
            request=request,
            idempotency_key=idempotency_key,
            request_id=request_id(),
            state=state,
            **naming.columns(),
            **checked(),
        )
        if new is not None:
            jobs.add_files(new.id, files)
            jobs.add_event(new.id, "created", state=new.state)
            enqueue(session, task, new.id)
            record(session, caller, f"{kind.noun}.create", new.id)
            return new
        # Another request with the same key was faster.
        existing = jobs.by_idempotency_key(caller.owner, idempotency_key)
    if existing is None or existing.request != request:
        raise KeyReusedError(
            "This Idempotency-Key came with another request before; choose a new one."
        )
    return existing
