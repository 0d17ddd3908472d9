"""Counts the unfinished work."""

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from narrows.vocabulary import ACTIVE
from service.database.base import Leased
from service.database.tables import Analysis, Dataset, Model, Shard
from service.database.trials import Trial, TrialRun

UNFINISHED: Final[dict[str, tuple[type[Leased], tuple[str, ...]]]] = {
    "model": (Model, ("inspecting",)),
    "dataset": (Dataset, ("inspecting",)),
    "analysis": (Analysis, ACTIVE),
    "shard": (Shard, ("queued", "leased")),
    "trial": (Trial, ACTIVE),
    "run": (TrialRun, ("queued", "leased")),
}


class QueueRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def depth(self) -> dict[tuple[str, str], int]:
        """Return the number of rows by kind and unfinished state; numbers of 0 are included."""
        counts: dict[tuple[str, str], int] = {}
        for kind, (table, states) in UNFINISHED.items():
            query = select(table.state, func.count()).where(table.state.in_(states))
            counts |= dict.fromkeys(((kind, state) for state in states), 0)
            for state, count in self._session.execute(query.group_by(table.state)):
                counts[kind, state] = count
        return counts
