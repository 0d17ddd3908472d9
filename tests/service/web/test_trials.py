"""The pages of trials: live, with what was gained against what was predicted, and the form."""

import re
from collections.abc import Callable
from typing import Any

import httpx
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.database.trials import Trial, TrialRun
from tests.service.web.conftest import Browse

Json = dict[str, Any]


def cells(page: str, region: str) -> list[list[str]]:
    """Return the texts of a table on a page, row by row."""
    (table,) = re.findall(f'aria-label="{region}"><table>(.*?)</table>', page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    found = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows)
    return [[" ".join(re.sub("<[^>]+>", " ", cell).split()) for cell in row] for row in found]


def test_while_it_trains(browse: Browse, ann: httpx.Client, trial: Json, engine: Engine) -> None:
    page, path = browse(ann), f"/trials/{trial['id']}"
    assert '<li aria-current="step">Waiting' in page.get(path).text
    with Session(engine) as session, session.begin():
        row = session.get_one(Trial, trial["id"])
        row.state, row.runs, row.remaining, row.steps = "running", 2, 1, 40
        row.started_at = row.created_at
        of = {"trial_id": trial["id"], "variant": "double"}
        session.add(TrialRun(**of, index=0, seed=0, state="done", step=40, loss=0.25))
        session.add(TrialRun(**of, index=1, seed=1, state="leased", step=20))
    shown = page.get(path).text
    assert '<progress max="80" value="60"' in shown
    assert "1 of 2 runs, about" in shown
    assert f'data-events="{path}/events"' in shown
    assert cells(shown, "Runs")[1:] == [
        ["double", "0", "✓ done", "40", "0.25", "", ""],
        ["double", "1", "… training", "20", "", "", ""],
    ]
    assert page.post(f"{path}/cancel").headers["location"] == path
    assert "being cancelled" in page.get(path).text


def test_what_was_gained(
    browse: Browse, ann: httpx.Client, trial: Json, train: Callable[[str], None], engine: Engine
) -> None:
    page, path = browse(ann), f"/trials/{trial['id']}"
    train(trial["id"])
    shown = page.get(path).text
    rows = {row[0]: row[1:] for row in cells(shown, "Variants")}
    assert rows["double"] == [
        "+0.01 +0.004 to +0.016", "+0.04 +0.02 to +0.12", "✓ better less than predicted",
        "0.3 0.2 to 0.4", "", "1.2 k +20.0%", "900",
    ]  # fmt: skip
    assert rows["double.expand_prune"][:3] == ["-0.01 -0.03 to +0.01", "", "? undecided"]
    assert "double 0.01 (0.004 to 0.016), predicted 0.02 to 0.12" in shown  # the figure
    assert "&lt;it&gt; is the original" in shown
    assert [name in shown for name in ("files/run-0.pt2", "files/run-1.pt2")] == [False, True]
    listed = page.get("/trials", params={"analysis_id": trial["analysis_id"]}).text
    assert "double +0.01" in listed
    other = page.get("/trials", params={"analysis_id": "ana_" + "0" * 24}).text
    assert path not in other
    with Session(engine) as session, session.begin():
        row = session.get_one(Trial, trial["id"])
        row.request = {**row.request, "recipe": {**row.request["recipe"], "start": "upload"}}
    assert "less than predicted" not in page.get(path).text


def test_the_form(browse: Browse, ann: httpx.Client, trial: Json) -> None:
    page, of = browse(ann), trial["analysis_id"]
    assert f'href="/trials/new?analysis={of}"' in page.get(f"/analyses/{of}").text
    form = page.get("/trials/new", params={"analysis": of}).text
    names = re.findall(r'name="([a-z_]+)"', form)
    (once,) = re.findall('name="once" value="([^"]+)"', form)
    fields: Json = {
        "once": once, "analysis_id": of, "plans": ["double"], "variants": ["plan"], "seeds": "2",
        "epochs": "5", "learning_rate": "0.01", "optimizer": "sgd", "max_samples": "100",
    }  # fmt: skip
    assert {*fields} <= {*names}
    first, again = (page.post("/trials", data=fields).headers["location"] for _ in range(2))
    assert first == again
    asked = ann.get(f"/v1{first}").json()["request"]
    assert (asked["plans"], asked["variants"], asked["seeds"]) == (["double"], ["plan"], [0, 1])
    assert (asked["recipe"]["epochs"], asked["recipe"]["optimizer"]) == (5, "sgd")
    for more, field, sentence in (
        ({"learning_rate": "0"}, "learning_rate", "It must be greater than 0."),
        ({"epochs": "<b>"}, "epochs", "It must be a whole number."),
        ({"seeds": "0"}, "seeds", "from 1 to 32"),
        ({"plans": "mine"}, "plans", "has no plan &#39;mine&#39;"),
        ({"plans": []}, "plans", "It must have 1 or more entries"),
    ):
        answer = page.post("/trials", data={**fields, **more})
        assert answer.status_code == 422, more
        assert re.search(f'id="{field}-wrong">[^<]*{re.escape(sentence)}', answer.text), more
    assert page.post("/trials", data={**fields, "analysis_id": "x"}).status_code == 404
