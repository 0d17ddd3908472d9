"""`/metrics`: who may read it, and what it counts."""

from collections.abc import Callable
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from service.settings import Settings
from tests.support.answers import problem

PATH = "/metrics"
REQUESTS = "narrows_http_request_seconds_count"


def read(client: httpx.Client) -> Callable[..., float | None]:
    """Return a function that gives a sample by its name and labels."""
    answer = client.get(PATH)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    return lambda name, **labels: samples.get((name, frozenset(labels.items())))


class TestAccess:
    def test_anonymous(self, anonymous: httpx.Client) -> None:
        problem(anonymous.get(PATH), 401, "unauthorized")

    def test_without_the_scope(self, ann: httpx.Client) -> None:
        problem(ann.get(PATH), 403, "forbidden")

    def test_open_to_anyone(self, anonymous: httpx.Client, settings: Settings) -> None:
        settings.metrics_access = "anyone"
        assert anonymous.get(PATH).status_code == 200


class TestRequests:
    def test_by_route_not_by_path(self, ann: httpx.Client, admin: httpx.Client) -> None:
        before = read(admin)
        for number in range(2):
            ann.get(f"/v1/models/mdl_{number:024x}")
            ann.get(f"/nowhere/{number}")
        ann.request("BREW", "/v1/models")
        after = read(admin)
        for labels, count in (
            ({"method": "GET", "route": "/v1/models/{model_id}", "status": "404"}, 2),
            ({"method": "GET", "route": "none", "status": "404"}, 2),
            ({"method": "other", "route": "/v1/models", "status": "405"}, 1),
        ):
            assert (after(REQUESTS, **labels) or 0) - (before(REQUESTS, **labels) or 0) == count
        assert after(REQUESTS, method="GET", route="/metrics", status="200") == 1

    def test_no_secret(self, ann: httpx.Client, admin: httpx.Client) -> None:
        ann.get("/v1/models", params={"page_token": "hush"})
        text = admin.get(PATH).text
        for secret in ("hush", admin.headers["authorization"].split()[1]):
            assert secret not in text


def test_what_waits(
    ann: httpx.Client, admin: httpx.Client, analysis: dict[str, Any], succeed: Callable[[str], None]
) -> None:
    def queue(kind: str, state: str) -> float | None:
        return read(admin)("narrows_queue_depth", kind=kind, state=state)

    assert queue("analysis", "queued") == queue("model", "inspecting") == 1
    assert queue("shard", "leased") == read(admin)("narrows_workers") == 0
    succeed(analysis["id"])
    assert queue("analysis", "queued") == 0
    assert queue("analysis", "succeeded") is None
