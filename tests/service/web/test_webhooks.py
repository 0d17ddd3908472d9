"""Webhooks on their pages: made, tested, and a secret that is shown once."""

import httpx

from tests.service.web.conftest import Browse


def test_made_and_tested(ann: httpx.Client, browse: Browse) -> None:
    page = browse(ann)
    for url in ("", "http://10.0.0.1/<b>", "https://10.0.0.1"):
        refused = page.post("/webhooks", data={"url": url, "events": "trial.failed"})
        assert refused.status_code == 422
        assert 'id="url-wrong"' in refused.text
        assert "<b>" not in refused.text
        assert 'value="trial.failed" checked' in refused.text
    refused = page.post("/webhooks", data={"url": "https://example.invalid"})
    assert (refused.status_code, "1 or more entries" in refused.text) == (422, True)
    assert 'id="events-wrong"' in refused.text
    assert 'value="https://example.invalid"' in refused.text
    made = page.post(
        "/webhooks", data={"url": "https://example.invalid", "events": ["trial.failed"]}
    )
    assert "whsec_" in made.text
    (hook,) = ann.get("/v1/webhooks").json()["items"]
    assert hook["events"] == ["trial.failed"]
    path = f"/webhooks/{hook['id']}"
    assert "whsec_" not in page.get("/webhooks").text + page.get(path).text
    assert page.post(f"{path}/test").headers["location"] == path
    assert "webhook.test" in page.get(path).text
