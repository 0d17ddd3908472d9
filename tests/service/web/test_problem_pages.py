"""What browsers are shown where the server itself is at fault, or a form can't be taken."""

from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from service.jobs import service as jobs
from tests.service.web.conftest import Browse
from tests.support.answers import problem


@pytest.mark.parametrize(
    ("error", "status", "slug", "words"),
    [
        (ZeroDivisionError("a secret detail"), 500, "internal", "Internal error"),
        (OperationalError("a secret", {}, Exception()), 503, "unavailable", "Not available now"),
    ],
)
def test_faults(
    ann: httpx.Client,
    browse: Browse,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    slug: str,
    words: str,
) -> None:
    def fail(*_: Any) -> None:
        raise error

    page = browse(ann)
    monkeypatch.setattr(jobs, "page", fail)
    answer = page.get("/analyses?state=failed", headers={"X-Request-Id": "mine-1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, "mine-1")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    for text in (words, "mine-1", "Try again", 'href="/analyses?state=failed"', "Sign out"):
        assert text in answer.text
    assert "secret" not in answer.text
    headers = {"Accept": "text/html", "Authorization": ann.headers["Authorization"]}
    problem(page.get("/v1/analyses", headers=headers), status, slug)
    problem(page.get("/analyses", headers={"Accept": "application/json"}), status, slug)


def test_an_upload_without_scripts_that_is_refused(ann: httpx.Client, browse: Browse) -> None:
    page = browse(ann)
    typed = {"transform": '{"mean": "<grey>"}'}
    for files, field, wrong in (
        ({"file": ("d.npz", b"bytes")}, "transform", "mean: It must be a list."),
        ({"file": ("", b"")}, "file", "The file is empty."),
    ):
        answer = page.post("/datasets", data=typed, files=files)
        assert (answer.status_code, wrong in answer.text) == (422, True), answer.text
        assert f'id="{field}-wrong"' in answer.text
        assert "{&#34;mean&#34;: &#34;&lt;grey&gt;&#34;}</textarea>" in answer.text
    assert page.post("/models", content=b"no form").status_code == 415
