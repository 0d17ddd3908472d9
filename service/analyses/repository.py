"""The SQL of reports: all results of an analysis at once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.tables import Structure


def results(session: Session, analysis_id: str, table: type[Any]) -> Sequence[Any]:
    """Return all rows of an analysis that `table` has, in the order of their index."""
    query = select(table).where(table.analysis_id == analysis_id).order_by(table.index)
    return session.scalars(query).all()


def saliencies(session: Session, analysis_id: str) -> dict[str, list[float]]:
    """Return the saliencies of each layer's structures, by its name, the largest first.

    The structures of a group belong to the same layers, so the members of one say which they are.
    """
    of = Structure.analysis_id == analysis_id
    first = select(Structure.group, Structure.members).where(of, Structure.channel == 0)
    layers = {group: {name for name, _ in members} for group, members in session.execute(first)}
    found: dict[str, list[float]] = {}
    for group, saliency in session.execute(
        select(Structure.group, Structure.saliency).where(of).order_by(Structure.saliency.desc())
    ):
        for name in layers.get(group, ()):
            found.setdefault(name, []).append(saliency)
    return found
