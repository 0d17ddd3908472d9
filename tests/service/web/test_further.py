"""Further questions, asked on the page of an analysis."""

import re
from collections.abc import Callable
from typing import Any

import httpx
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from narrows.vocabulary import PARTIAL_SUMS
from service.database.jobs import UNLISTED
from service.database.tables import Artifact, File, Model
from service.web.sliders import sliders
from tests.service.web.conftest import Browse
from tests.support.reports import findings

MOVED = 2
"""The index of a layer that shares its channels with others."""
INSPECTION = {"layers": [{"name": "conv1"}], "groups": [{"layers": ["conv1"]}]}


def test_the_forms(
    ann: httpx.Client,
    browse: Browse,
    analysis: dict[str, Any],
    succeed: Callable[[str], None],
    alter: Callable[..., None],
    engine: Engine,
) -> None:
    page, path = browse(ann), f"/analyses/{analysis['id']}/follow-ups"
    succeed(analysis["id"])
    budget = {"form": "budget", "budget": "20", "budget_cost": "macs"}
    refused = page.post(path, data=budget)
    assert (refused.status_code, "Run the analysis again." in refused.text) == (409, True)
    assert 'name="budget" type="number" min="1" max="400" step="any" value="20"' in refused.text
    assert 'value="macs" selected' in refused.text
    with Session(engine) as session, session.begin():
        session.add(File(sha256="ab" * 32, size=9))
        session.flush()
        kept = {"name": PARTIAL_SUMS, "index": UNLISTED[PARTIAL_SUMS], "sha256": "ab" * 32}
        session.add(Artifact(analysis_id=analysis["id"], size=9, **kept))
    alter(Model, analysis["model_id"], state="ready", inspection=INSPECTION)
    for data, expected in (
        (budget, {"plans": ["advise"], "pruning_ratio": 0.5}),
        ({"form": "ratio", "pruning_ratio": "30", "cost": "macs"},
         {"pruning_ratio": 0.3, "cost": "macs", "build": []}),
        ({"form": "factors", "factor-0": "1", "factor-1": "1.5"},
         {"plans": [{"name": "mine", "factors": {"conv1": 1.5}}]}),
        ({"form": "build", "plan": "pruned"}, {"build": ["pruned"]}),
    ):  # fmt: skip
        location = page.post(path, data=data).headers["location"]
        made = ann.get(f"/v1{location}").json()
        assert made["source_id"] == analysis["id"]
        assert {name: made["request"][name] for name in expected} == expected
        assert f'href="/analyses/{analysis["id"]}"' in page.get(location).text
    once, *_ = re.findall('name="once" value="([^"]+)"', page.get(path).text)
    first, second, other = (
        page.post(path, data={**budget, "budget": percent, "once": once}).headers["location"]
        for percent in ("20", "20", "21")
    )
    assert first == second != other
    for data, field, wrong in (
        ({"form": "ratio", "pruning_ratio": "100"}, "pruning_ratio", "It must be less than 100."),
        ({"form": "ratio", "pruning_ratio": "<b>"}, "pruning_ratio", "It must be a number."),
        ({"form": "factors", "factor-2": "17"}, "factors", "conv2: It must be 16 or less."),
        ({"form": "factors", "factor-0": "2"}, "factors", "The model has no layer &#39;conv0&#39;"),
        ({"form": "factors", "factor-1": "1.0", "factor-9": "2"}, "factors", "Change the width"),
        ({"form": "build", "plan": "other"}, "plan", "choose from"),
        ({"form": "poem"}, None, "Send one of the forms"),
    ):
        answer = page.post(path, data=data)
        assert (answer.status_code, wrong in answer.text) == (422, True), data
        assert not field or f'id="{field}-wrong"' in answer.text
        assert all(
            value in answer.text
            for name, value in data.items()
            if name != "form" and not name.startswith("factor-") and value != "<b>"
        )


def test_sliders_of_many_layers() -> None:
    layers = findings(400).layers
    first, others = sliders(layers, {f"factor-{MOVED}": ["3"], "factor-399": ["2"]})
    assert all(one.stands_out for one in first)
    (moved,) = (one for one in first if one.factor == "3")
    assert (moved.layer.row["group"], moved.tied) == (layers[MOVED].row["group"], 49)
    assert max(len(part) for _, part in others) <= 40
    found = [one.layer.row["group"] for one in first] + [
        one.layer.row["group"] for _, part in others for one in part
    ]
    assert sorted(found) == sorted({layer.row["group"] for layer in layers[:-1]})
