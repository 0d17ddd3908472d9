"""`GET /v1/analyses/{id}/comparison`."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from service.database.tables import Analysis, Layer
from tests.support.answers import created, problem

Json = dict[str, Any]
PROMISES = {"promise": 5.0, "promise_interval": [4.0, 6.0]}


@pytest.fixture
def later(ann: httpx.Client, analysis: Json) -> Json:
    body = {name: analysis[name] for name in ("model_id", "dataset_id")}
    return created(ann.post("/v1/analyses", json=body | {"max_samples": 512}))


def path(later: Json, earlier: Json) -> str:
    return f"/v1/analyses/{later['id']}/comparison?against={earlier['id']}"


def test_layer_by_layer(
    ann: httpx.Client, bob: httpx.Client, analysis: Json, later: Json,
    succeed: Callable[[str], None], engine: Engine,
) -> None:  # fmt: skip
    assert analysis["id"] in problem(ann.get(path(later, analysis)), 409, "no-result")["detail"]
    succeed(analysis["id"])
    assert later["id"] in problem(ann.get(path(later, analysis)), 409, "no-result")["detail"]
    succeed(later["id"])
    with Session(engine) as session, session.begin():
        session.execute(update(Layer).values(PROMISES))
        changed = {
            "verdict": "balanced", "width": 12, "promise": 1.0, "promise_interval": [0.5, 1.5]
        }  # fmt: skip
        of_later = update(Layer).where(Layer.analysis_id == later["id"])
        session.execute(of_later.where(Layer.name == "conv0").values(changed))
        session.execute(of_later.where(Layer.name == "conv1").values(name="conv9"))

    found = ann.get(path(later, analysis)).json()
    assert (found["before"]["id"], found["after"]["id"]) == (analysis["id"], later["id"])
    assert found["differ"] == ["max_samples: 4096, then 512"]
    assert [(one["name"], one["change"]) for one in found["changes"]] == [
        ("conv0", "resolved"), ("conv9", "new_bottleneck"), ("conv2", "same"), ("conv1", "removed"),
    ]  # fmt: skip
    assert found["changes"][0] == {
        "name": "conv0", "change": "resolved", "verdicts": ["bottleneck", "balanced"],
        "widths": [6, 12], "measure": "promise", "values": [5.0, 1.0],
        "intervals": [[4.0, 6.0], [0.5, 1.5]],
    }  # fmt: skip
    problem(bob.get(path(later, analysis)), 404, "not-found")


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_follow_up_does_not_differ_by_its_source(
    ann: httpx.Client, analysis: Json, later: Json,
    succeed: Callable[[str], None], engine: Engine,
) -> None:  # fmt: skip
    for one in (analysis, later):
        succeed(one["id"])
    with Session(engine) as session, session.begin():
        own = update(Analysis).where(Analysis.id == later["id"])
        request = later["request"] | {"source_id": analysis["id"]}
        session.execute(own.values(request=request))
    assert ann.get(path(later, analysis)).json()["differ"] == ["max_samples: 4096, then 512"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_of_nobody_or_of_others(
    ann: httpx.Client, bob: httpx.Client, analysis: Json, succeed: Callable[[str], None]
) -> None:
    succeed(analysis["id"])
    base = f"/v1/analyses/{analysis['id']}/comparison"
    problem(ann.get(base), 422, "invalid")
    for other in ("ana_" + "0" * 24, "x", analysis["model_id"]):
        problem(ann.get(base, params={"against": other}), 404, "not-found")
    files = ({"file": b"m"}, {"file": b"d"})
    ids = [
        created(bob.post(f"/v1/{kind}s", files=file))["id"]
        for kind, file in zip(("model", "dataset"), files, strict=True)
    ]
    body = dict(zip(("model_id", "dataset_id"), ids, strict=True))
    foreign = created(bob.post("/v1/analyses", json=body))["id"]
    succeed(foreign)
    problem(ann.get(base, params={"against": foreign}), 404, "not-found")
