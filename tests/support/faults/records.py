"""What the database and the disk say of the service's work, and whether all of it is in order."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from service.database.files import FileRepository
from service.database.tables import (
    Analysis,
    Dataset,
    Event,
    File,
    Layer,
    Model,
    Plan,
    Shard,
    Structure,
)
from service.database.trials import Trial, TrialArtifact, TrialRun

ENDED = ("succeeded", "failed", "cancelled")


class Records:
    """Reads rows past the API, also while that is down."""

    def __init__(self, engine: Engine, data: Path) -> None:
        self._engine, self._data = engine, data

    def rows(self, statement: Any) -> list[Any]:
        with self._engine.begin() as connection:
            return list(connection.execute(statement).mappings())

    def analysis(self, identity: str) -> Any:
        (row,) = self.rows(select(Analysis.__table__).where(Analysis.id == identity))
        return row

    def has_ended(self, identity: str) -> bool:
        """Say so only when sure: while the database is away, nothing is."""
        try:
            return self.analysis(identity)["state"] in ENDED
        except OperationalError:
            return False

    def done(self, identity: str) -> int:
        """Return how many shards are done, 0 while the database is away."""
        of_it = Shard.analysis_id == identity, Shard.state == "done"
        try:
            (row,) = self.rows(select(func.count().label("done")).where(*of_it))
        except OperationalError:
            return 0
        return int(row["done"])

    def leased(self, identity: str) -> list[Any]:
        """Return the shards that somebody holds."""
        columns = Shard.index, Shard.leased_by, Shard.token
        of_it = Shard.analysis_id == identity, Shard.state == "leased"
        return self.rows(select(*columns).where(*of_it).order_by(Shard.index))

    def attempts(self, identity: str) -> int:
        """Return how many attempts it took beyond one a shard."""
        columns = func.sum(Shard.attempt) - func.count()
        (row,) = self.rows(select(columns.label("more")).where(Shard.analysis_id == identity))
        return int(row["more"] or 0)

    def results(self, identity: str) -> dict[str, Any]:
        """Return all that an analysis found, but for its id; floats to the last bit."""
        found: dict[str, Any] = {"summary": self.analysis(identity)["summary"]}
        for table in (Layer, Structure, Plan):
            rows = self.rows(
                select(table.__table__).where(table.analysis_id == identity).order_by(table.index)
            )
            found[table.__tablename__] = [
                {k: v for k, v in row.items() if k != "analysis_id"} for row in rows
            ]
        return found

    def finishes(self, identity: str) -> list[str]:
        """Return the last states that an analysis came to; there should be one."""
        told = select(Event.data).where(Event.analysis_id == identity, Event.kind == "state")
        states = (row["data"]["state"] for row in self.rows(told.order_by(Event.id)))
        return [state for state in states if state in ENDED]

    def trial(self, identity: str) -> Any:
        (row,) = self.rows(select(Trial.__table__).where(Trial.id == identity))
        return row

    def runs(self, identity: str) -> list[Any]:
        query = select(TrialRun.__table__).where(TrialRun.trial_id == identity)
        return self.rows(query.order_by(TrialRun.index))

    def trial_results(self, identity: str) -> dict[str, Any]:
        """Return all that a trial found; floats to the last bit, networks by their hash."""
        columns = ("variant", "seed", "state", "step", "curve", "loss", "accuracy", "parameters")
        query = select(TrialArtifact.name, TrialArtifact.sha256)
        networks = self.rows(query.where(TrialArtifact.trial_id == identity))
        return {
            "summary": self.trial(identity)["summary"],
            "runs": [{name: run[name] for name in columns} for run in self.runs(identity)],
            "networks": {row["name"]: row["sha256"] for row in networks},
        }

    def unused(self) -> list[str]:
        """Return the files that nothing refers to."""
        with Session(self._engine) as session, session.begin():
            return list(FileRepository(session).unused(timedelta(0)))

    def disorder(self) -> list[str]:
        """Return what is stuck or left over while no work is under way."""
        wrong = [
            f"{table.__tablename__} {tuple(row.values())}"
            for table in (Analysis, Shard, Model, Dataset, Trial, TrialRun)
            for row in self.rows(
                select(*table.__mapper__.primary_key, table.state, table.leased_by).where(
                    table.token.is_not(None)
                    | table.leased_by.is_not(None)
                    | table.state.in_(
                        ("queued", "planning", "running", "leased", "reducing", "inspecting")
                    )
                )
            )
        ]
        checkpoints = select(TrialRun.trial_id).where(TrialRun.checkpoint.is_not(None))
        wrong += [f"{row['trial_id']} kept a checkpoint" for row in self.rows(checkpoints)]
        kept = select(Shard.analysis_id).where(Shard.result.is_not(None))
        wrong += [f"the shards of {row['analysis_id']} kept results" for row in self.rows(kept)]
        return wrong + self.leaks()

    def leaks(self) -> list[str]:
        """Return files that no row speaks of, and rows whose file is not there."""
        files = self._data / "files"
        stored = {path.name for path in files.glob("[0-9a-f][0-9a-f]/*")}
        known = {row["sha256"] for row in self.rows(select(File.sha256))}
        # A worker keeps torch's own cache, an empty folder, in its scratch folder while it lives.
        scratch = (self._data / "scratch").glob("*/*")
        left = [path for path in scratch if not path.name.startswith("torchinductor_")]
        left += files.glob("staging/*")
        left += [*(self._data / "broker").glob("*/*.new")]
        return [f"lost or leaked: {sha256}" for sha256 in sorted(stored ^ known)] + [
            f"left over: {path}" for path in left
        ]
