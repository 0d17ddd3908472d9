"""Reading, changing, cancelling and deleting jobs."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from sqlalchemy.orm import Session

from narrows.vocabulary import ENDED
from service.database.base import utc_now
from service.database.files import FileRepository
from service.database.jobs import J, Job, JobArtifact, JobEvent, JobKind
from service.database.webhooks import announce
from service.http.audit import record
from service.http.dependencies import keep_of
from service.http.pagination import ByIndex, Slice, age_key, decode_age, decode_token, first_page
from service.http.problems import InUseError, NoResultError, NotFoundError
from service.http.security import Caller
from service.jobs.repository import JobRepository
from service.jobs.schemas import JobArtifactOut
from service.naming.changes import change as change_naming
from service.naming.filters import JobFilters
from service.naming.schemas import NamingChange
from service.storage.objects import Storage

EVENTS_AT_ONCE: Final = 100
A = TypeVar("A", bound=JobArtifactOut)


def find(
    session: Session, kind: JobKind[J], owner: str, identity: str, *, to_change: bool = False
) -> J:
    """Return `owner`'s job; raise NotFoundError."""
    row = JobRepository(session, kind).get(owner, identity, to_change=to_change)
    return _require(row, kind, identity)


def find_to_refer(session: Session, kind: JobKind[J], owner: str, identity: str) -> J:
    """Return `owner`'s job, which stays until the transaction ends; raise NotFoundError."""
    return _require(JobRepository(session, kind).get_to_refer(owner, identity), kind, identity)


def _require(row: J | None, kind: JobKind[J], identity: str) -> J:
    if row is None:
        raise NotFoundError(f"There is no {kind.noun} {identity}.")
    return row


def page(
    session: Session,
    kind: JobKind[J],
    owner: str,
    filters: JobFilters,
    page_size: int,
    token: str | None,
) -> Slice[J]:
    """Return a page of `owner`'s jobs that are asked for, newest first."""
    rows = JobRepository(session, kind).page(owner, filters, decode_age(token), page_size + 1)
    return first_page(rows, page_size, age_key)


def results(
    session: Session,
    kind: JobKind[Any],
    identity: str,
    table: type[Any],
    page_size: int,
    token: str | None,
) -> Slice[Any]:
    """Return a page of the rows of a job that `table` has, in the order of their index."""
    after = decode_token(token, ByIndex)
    rows = JobRepository(session, kind).results(
        table, identity, -1 if after is None else after, page_size + 1
    )
    return first_page(rows, page_size, lambda row: row.index)


def describe_artifacts(session: Session, job: Job, page: Slice[Any], schema: type[A]) -> Slice[A]:
    """Return what goes out of a page of a job's files, with the time when they expire."""
    until = keep_of(session, job.owner).artifact_until(job.finished_at)
    items = [
        schema.model_validate(row).model_copy(update={"expires_at": until}) for row in page.items
    ]
    return Slice(items, page.next_page_token)


def artifact(
    session: Session, kind: JobKind[Any], owner: str, identity: str, name: str
) -> JobArtifact:
    """Return the row of a built file; raise NotFoundError, or as `require_success` does."""
    require_success(find(session, kind, owner, identity), kind)
    built = {row.name: row for row in JobRepository(session, kind).artifacts(identity)}
    if name not in built:
        there_are = (
            f"there are: {', '.join(built)}" if built else "nothing was built, or it has expired"
        )
        raise NotFoundError(f"There is no artifact of this name; {there_are}.")
    return built[name]


def require_success(job: J, kind: JobKind[J]) -> None:
    """Raise NoResultError unless the job succeeded."""
    if job.state != "succeeded":
        raise NoResultError(
            f"The {kind.noun} {job.id} is {job.state}; only one that succeeded has results.",
            state=job.state,
        )


def change(
    session: Session, kind: JobKind[J], caller: Caller, identity: str, asked: NamingChange
) -> J:
    """Change how a job is called; raise NotFoundError, or InvalidError for too much of it."""
    row = find(session, kind, caller.owner, identity, to_change=True)
    if "name" in asked.model_fields_set:
        row.name = asked.name
    change_naming(row, asked)
    record(session, caller, f"{kind.noun}.change", identity)
    return row


def cancel(session: Session, kind: JobKind[J], caller: Caller, identity: str) -> J:
    """Cancel a job; return it, unchanged if it has ended.

    A job may end just before the request, so that is no error. A queued job ends at once. The
    worker of a running one notices the request when it next looks at its lease.
    """
    row = find(session, kind, caller.owner, identity, to_change=True)
    if row.state in ENDED or row.cancel_requested:
        return row
    row.cancel_requested = True
    jobs = JobRepository(session, kind)
    jobs.add_event(identity, "cancel_requested")
    record(session, caller, f"{kind.noun}.cancel", identity)
    if row.state == "queued":
        row.state = "cancelled"
        row.finished_at = utc_now()
        jobs.add_event(identity, "state", state=row.state)
        session.flush()
        announce(session, kind, identity)
    return row


def remove(
    session: Session, storage: Storage, kind: JobKind[Any], caller: Caller, identity: str
) -> None:
    """Delete an ended job with its results, and its files that nothing else refers to.

    Raises NotFoundError, and InUseError if it has not ended, or trials refer to it.
    """
    row = find(session, kind, caller.owner, identity, to_change=True)
    if row.state not in ENDED:
        raise InUseError(f"The {kind.noun} is {row.state}; cancel it first.", state=row.state)
    jobs, files = JobRepository(session, kind), FileRepository(session)
    if trials := jobs.trials_of(identity):
        raise InUseError(
            f"Trials refer to this {kind.noun}; delete them first: {', '.join(trials)}.",
            trials=trials,
        )
    hashes = sorted({built.sha256 for built in jobs.artifacts(identity)})
    jobs.delete(identity)
    record(session, caller, f"{kind.noun}.delete", identity)
    for sha256 in [sha256 for sha256 in hashes if files.delete_unused(sha256)]:
        storage.delete(sha256)


def events_since(
    session: Session, kind: JobKind[Any], owner: str, identity: str, after: int
) -> tuple[Sequence[JobEvent], bool]:
    """Return the next events after the id `after`, and whether they are the last.

    The state is read before the events. An event is committed together with its state, so if the
    state is an end state, no event is missing.
    """
    jobs = JobRepository(session, kind)
    row = jobs.get(owner, identity)
    ended = row is None or row.state in ENDED
    events = jobs.events(identity, after, limit=EVENTS_AT_ONCE)
    return events, ended and len(events) < EVENTS_AT_ONCE
