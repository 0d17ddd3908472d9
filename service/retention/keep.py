"""How long things are kept: by the settings, or by what was set for their owner."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from service.database.retention import Retention
from service.settings import Settings


@dataclass(frozen=True)
class Keep:
    """For how many days things are kept; None: for ever.

    Uploads count from when they came last, results and artifacts from the end of their job.
    """

    uploads: float | None = None
    results: float | None = None
    artifacts: float | None = None

    @classmethod
    def of_settings(cls, settings: Settings) -> "Keep":
        return cls(
            settings.keep_uploads_days, settings.keep_results_days, settings.keep_artifacts_days
        )

    def upload_until(self, uploaded_at: datetime, expires_at: datetime | None) -> datetime | None:
        """Return when an upload expires; what was set for itself holds."""
        return expires_at or _after(uploaded_at, self.uploads)

    def result_until(self, finished_at: datetime | None) -> datetime | None:
        """Return when an analysis or a trial expires; None while it runs, too."""
        return _after(finished_at, self.results)

    def artifact_until(self, finished_at: datetime | None) -> datetime | None:
        """Return when what a job built expires: with the job, or before."""
        ends = (_after(finished_at, days) for days in (self.results, self.artifacts))
        return min((end for end in ends if end), default=None)


NAMES = tuple(field.name for field in fields(Keep))


def _after(moment: datetime | None, days: float | None) -> datetime | None:
    return None if moment is None or days is None else moment + timedelta(days=days)


@dataclass(frozen=True)
class Keeps:
    """What holds by default, and for the owners with an entry of their own."""

    default: Keep
    owners: Mapping[str, Keep]

    @classmethod
    def of(cls, session: Session, settings: Settings) -> "Keeps":
        default = Keep.of_settings(settings)
        owners = {row.owner: _or(row, default) for row in session.scalars(select(Retention))}
        return cls(default, owners)

    def of_owner(self, owner: str) -> Keep:
        return self.owners.get(owner, self.default)

    def are_old(self, name: str, owner: Any, since: Any, now: datetime) -> ColumnElement[bool]:
        """Return the condition that what is kept as `name` says expired, counted from `since`."""
        conditions = [self._is_old(name, self.default, since, now, owner.not_in(self.owners))]
        for other, keep in self.owners.items():
            conditions.append(self._is_old(name, keep, since, now, owner == other))
        return or_(*conditions)

    @staticmethod
    def _is_old(
        name: str, keep: Keep, since: Any, now: datetime, of_owner: Any
    ) -> ColumnElement[bool]:
        days = getattr(keep, name)
        return false() if days is None else and_(of_owner, since < now - timedelta(days=days))


def _or(row: Retention, default: Keep) -> Keep:
    """Return an owner's entry, with the default for what it leaves open."""
    own = {name: getattr(row, name) for name in NAMES}
    return Keep(**{k: getattr(default, k) if v is None else v for k, v in own.items()})
