"""What owners have stored and asked for."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, union
from sqlalchemy.orm import Session

from service.admin.schemas import OwnerOut
from service.database.jobs import JobKind
from service.database.tables import ANALYSES, Dataset, File, Model
from service.database.trials import TRIALS

UPLOADS: Final[dict[str, type[Model | Dataset]]] = {"models": Model, "datasets": Dataset}
JOBS: Final[Sequence[JobKind[Any]]] = (ANALYSES, TRIALS)


def owners(session: Session, after: str, limit: int) -> Sequence[str]:
    """Return up to `limit` names of owners after the name `after`."""
    tables = (*UPLOADS.values(), *(kind.table for kind in JOBS))
    everybody = union(*(select(table.owner.label("owner")) for table in tables)).subquery()
    query = select(everybody.c.owner).where(everybody.c.owner > after)
    return session.scalars(query.order_by(everybody.c.owner).limit(limit)).all()


def usage(session: Session, names: Collection[str]) -> list[OwnerOut]:
    """Return what each of these owners has stored and asked for, in this order."""
    uploads = {kind: _counts(session, table, names) for kind, table in UPLOADS.items()}
    jobs: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for kind in JOBS:
        for (owner, state), count in _counts(session, kind.table, names, kind.table.state).items():
            jobs[owner].setdefault(kind.noun, {})[state] = count
    stored = _bytes(session, names)
    return [
        OwnerOut(
            owner=name,
            jobs=jobs[name],
            bytes=stored.get(name, 0),
            **{kind: counts.get((name,), 0) for kind, counts in uploads.items()},
        )
        for name in names
    ]


def _counts(
    session: Session, table: Any, names: Collection[str], *by: ColumnElement[Any]
) -> dict[tuple[str, ...], int]:
    query = select(table.owner, *by, func.count()).where(table.owner.in_(names))
    rows = session.execute(query.group_by(table.owner, *by))
    return {tuple(row[:-1]): row[-1] for row in rows}


def _bytes(session: Session, names: Collection[str]) -> dict[str, int]:
    """Return the size of each owner's files; what it uploaded twice is stored once."""
    referring = [select(table.owner, table.sha256) for table in UPLOADS.values()]
    for kind in JOBS:
        built = kind.artifact
        of_job = kind.refers(built, kind.table.id)
        referring.append(select(kind.table.owner, built.sha256).join(built, of_job))
    files = union(*referring).subquery()
    query = select(files.c.owner, func.sum(File.size)).join(File, File.sha256 == files.c.sha256)
    rows = session.execute(query.where(files.c.owner.in_(names)).group_by(files.c.owner))
    return {owner: int(size) for owner, size in rows}
