"""Plans: check that model, dataset and request fit, and create the shards."""

from typing import Any, Final

from sqlalchemy import Connection, and_, exists, select
from sqlalchemy.orm import Mapped
from sqlalchemy.sql.elements import ColumnElement

from service.database.tables import ANALYSES, Analysis, Dataset, Model, Shard
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import Claim
from worker.runtime.messages import WakeUps
from worker.runtime.work.job import not_cancelled
from worker.runtime.work.parts import FirstWork
from worker.runtime.work.shard import SHARD


def _inspected(upload: type[Model | Dataset], used: Mapped[str]) -> ColumnElement[bool]:
    return ~exists(select(upload.id).where(upload.id == used, upload.state == "inspecting"))


class PlanWork(FirstWork):
    """Moves an analysis from `queued` through `planning` to `running`."""

    task = "plan"
    job = ANALYSES
    table = Analysis
    wanted = not_cancelled(ANALYSES)
    ready = and_(_inspected(Model, Analysis.model_id), _inspected(Dataset, Analysis.dataset_id))

    def commit(
        self, connection: Connection, claim: Claim, result: Any, _artifacts: Artifacts | None
    ) -> WakeUps:
        """Insert the shards, a range [start, stop) of samples each, and write the first look."""
        shards = [{"start": start, "stop": stop} for start, stop in result["shards"]]
        looked = {"shards": len(shards), "first_look": result["first_look"]}
        self.divide(connection, claim, shards, **looked)
        return leases.wake_ups(connection, SHARD, Shard.analysis_id == claim.ids[0])


PLAN: Final = PlanWork()
