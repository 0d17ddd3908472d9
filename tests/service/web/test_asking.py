"""The form that asks for an analysis: sent twice, and with what no browser sends."""

import re
from typing import Any

import httpx

from tests.service.web.conftest import Browse


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
    for odd in ("a\x00" * 20, "é" * 20, "x" * 300, ""):
        assert page.post("/analyses", data={**asked, "once": odd}).headers["location"] != first


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
