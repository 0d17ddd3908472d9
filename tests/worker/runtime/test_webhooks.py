"""Where a worker ends a job, its owner's webhooks are told, in the same transaction."""

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.database.tables import ANALYSES, Analysis
from service.database.webhooks import Delivery, Webhook
from tests.support.jobs import MakeAnalysis
from worker.runtime.work.job import end, lock


@pytest.mark.parametrize("kept", [True, False], ids=["committed", "rolled back"])
def test_a_delivery_comes_with_the_end(
    engine: Engine, make_analysis: MakeAnalysis, *, kept: bool
) -> None:
    analysis = make_analysis()
    with Session(engine) as session, session.begin():
        owner = session.get_one(Analysis, analysis).owner
        for name, of, enabled in (("a", owner, True), ("b", owner, False), ("c", "other", True)):
            session.add(
                Webhook(
                    id=name, owner=of, url="https://a.example", enabled=enabled,
                    events=["analysis.succeeded"],
                )
            )  # fmt: skip
    with engine.connect() as connection:
        lock(connection, ANALYSES, analysis)
        end(connection, ANALYSES, analysis, "succeeded", summary={"bottlenecks": ["conv1"]})
        (connection.commit if kept else connection.rollback)()
    with Session(engine) as session:
        found = session.scalars(select(Delivery)).all()
    assert [(one.webhook_id, one.event, one.state) for one in found] == (
        [("a", "analysis.succeeded", "pending")] if kept else []
    )
    if kept:
        data = found[0].payload["data"]
        assert (data["id"], data["bottlenecks"]) == (analysis, ["conv1"])
