"""The form that asks for an analysis: sent twice, and with what no browser sends."""

import re
from typing import Any

import httpx
import pytest

from service.web.options import fields_of
from tests.service.web.conftest import Browse
from tests.support.answers import created


def test_sent_twice(
    ann: httpx.Client, browse: Browse, model: dict[str, Any], dataset: dict[str, Any]
) -> None:
    page = browse(ann)
    form = page.get("/analyses/new", params={"model": model["id"]}).text
    assert f'value="{model["id"]}" selected' in form
    (once,) = re.findall('name="once" value="([^"]+)"', form)
    asked = {"model_id": model["id"], "dataset_id": dataset["id"], "once": once}
    first, second = (page.post("/analyses", data=asked).headers["location"] for _ in range(2))
    assert first == second
    assert page.post("/analyses", data={**asked, "seed": "7"}).headers["location"] != first
    for odd in ("a\x00" * 20, "é" * 20, "x" * 300, ""):
        assert page.post("/analyses", data={**asked, "once": odd}).headers["location"] != first


FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_again_asks_for_the_same(
    ann: httpx.Client, browse: Browse, model: dict[str, Any], dataset: dict[str, Any]
) -> None:
    plans = ["advise", {"name": "first", "factors": {"conv0": 1.5}},
             {"name": "own", "factors": {"conv0": 1.23456789}}]  # fmt: skip
    asked = {
        "model_id": model["id"], "dataset_id": dataset["id"], "plans": plans, "seed": 7,
        "transform": {"mean": [0.5], "std": [0.5]}, "memory_bytes": 1 << 33,
        "advise": {"budget": 0.4, "cost": "macs"}, "build": ["first", "own"],
        "exclude": ["conv1"],
    }  # fmt: skip
    before = created(ann.post("/v1/analyses", json=asked))
    page = browse(ann)
    shown = page.get("/analyses/new", params={"again": before["id"]}).text
    assert "Taken over from" in shown
    assert "advise budget 0.4, cost macs" in re.sub("<[^>]+>", "", shown)
    sent: dict[str, Any] = fields_of(before["request"]) | dict(FIELD.findall(shown))
    sent["factors"] = ["conv0 1.23456789"]
    place = page.post("/analyses", data=sent).headers["location"]
    after = ann.get(f"/v1{place}").json()["request"]
    by_name = [[str(plan) for plan in one.pop("plans")] for one in (before["request"], after)]
    assert sorted(by_name[0]) == sorted(by_name[1])
    assert after == before["request"]


def test_what_is_wrong(
    ann: httpx.Client, browse: Browse, model: dict[str, Any], dataset: dict[str, Any]
) -> None:
    page = browse(ann)
    asked = {"model_id": model["id"], "dataset_id": dataset["id"]}
    for more, field, sentence in (
        ({"pruning_ratio": "half"}, "pruning_ratio", "It must be a number."),
        ({"max_samples": "9" * 5000}, "max_samples", "It must be"),
        ({"seed": "1e3"}, "seed", "It must be a whole number."),
        ({"method": "<b>"}, "method", "It must be &#39;sosp_h&#39;"),
        ({"factors": "conv1 2\nconv2"}, "factors", "conv2: It must be a number."),
        ({"exclude": "a\x00"}, "exclude", "null character"),
        ({"build": "mine"}, "build", "no plan &#39;mine&#39;"),
        ({"metadata": "a b=1"}, "metadata", "a b: It may have only letters"),
        ({"tags": '"a\nb'}, "tags", "line break"),
        ({"tags": "a" * 140_000}, "tags", "too long"),
        ({"metadata": "=5"}, "metadata", "does not have the form key=value"),
        ({"factors": "conv1 2\nconv1 3"}, "factors", "conv1 is there twice"),
        ({"again": "ana_\x00"}, "", "There is nothing with this id"),
        ({"model_id": "mdl_" + "0" * 24}, "", "There is no model"),
    ):
        answer = page.post("/analyses", data={**asked, **more})
        assert answer.status_code in (404, 422), more
        assert sentence in answer.text, more
        assert not field or f'id="{field}-wrong"' in answer.text
        assert "<b>" not in answer.text
    assert page.post("/analyses", content=b"a=b&" * 10_001).status_code == 400
    for again in ("ana_\x00", "x" * 64, "ana_" + "0" * 24):
        assert page.get("/analyses/new", params={"again": again}).status_code in (404, 422)
