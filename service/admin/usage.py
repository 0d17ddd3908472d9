"""What owners have stored and asked for."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select, union
from sqlalchemy.orm import Session

from service.admin.schemas import LimitOut, OwnerOut
from service.database.quotas import Quota
from service.quotas.limits import limits_of
from service.quotas.used import (
    JOBS,
    UPLOADS,
    active_jobs,
    bytes_arriving,
    bytes_stored,
    uploads_of_day,
)
from service.settings import Settings


def owners(session: Session, after: str, limit: int) -> Sequence[str]:
    """Return up to `limit` names of owners after the name `after`."""
    tables = (*UPLOADS.values(), *(kind.table for kind in JOBS.values()), Quota)
    everybody = union(*(select(table.owner.label("owner")) for table in tables)).subquery()
    query = select(everybody.c.owner).where(everybody.c.owner > after)
    return session.scalars(query.order_by(everybody.c.owner).limit(limit)).all()


def usage(session: Session, settings: Settings, names: Collection[str]) -> list[OwnerOut]:
    """Return what each of these owners has stored and asked for, in this order."""
    uploads = {kind: _counts(session, table, names) for kind, table in UPLOADS.items()}
    jobs: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for kind in JOBS.values():
        for (owner, state), count in _counts(session, kind.table, names, kind.table.state).items():
            jobs[owner].setdefault(kind.noun, {})[state] = count
    stored = bytes_stored(session, names)
    return [
        OwnerOut(
            owner=name,
            jobs=jobs[name],
            bytes=stored.get(name, 0),
            limits=_limits(session, settings, name, stored.get(name, 0)),
            **{kind: counts.get((name,), 0) for kind, counts in uploads.items()},
        )
        for name in names
    ]


def _limits(session: Session, settings: Settings, owner: str, stored: int) -> dict[str, LimitOut]:
    used = {name: active_jobs(session, kind, owner) for name, kind in JOBS.items()}
    used |= {
        "bytes": stored + bytes_arriving(session, owner),
        "uploads_per_day": uploads_of_day(session, owner)[0],
    }
    limits = limits_of(session, settings, owner).model_dump()
    limits["streams"] = settings.max_streams_per_key
    return {name: _limit(limit, used.get(name)) for name, limit in limits.items()}


def _limit(limit: int, used: int | None) -> LimitOut:
    return LimitOut(limit=limit, used=used, left=None if used is None else max(0, limit - used))


def _counts(
    session: Session, table: Any, names: Collection[str], *by: ColumnElement[Any]
) -> dict[tuple[str, ...], int]:
    query = select(table.owner, *by, func.count()).where(table.owner.in_(names))
    rows = session.execute(query.group_by(table.owner, *by))
    return {tuple(row[:-1]): row[-1] for row in rows}
