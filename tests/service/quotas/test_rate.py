"""How often a key may ask: right also with several API processes, and without Redis."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.quotas import rate
from service.quotas.rate import WINDOW_SECONDS, Buckets, OwnBuckets, SharedBuckets
from service.settings import Settings
from tests.support.answers import Client, problem


@pytest.fixture(params=["own", "shared"])
def buckets(request: pytest.FixtureRequest) -> Buckets:
    if request.param == "own":
        return OwnBuckets()
    return SharedBuckets(request.getfixturevalue("redis_url"))


def test_a_bucket_holds_the_requests_of_a_window(buckets: Buckets) -> None:
    taken = [buckets.take("key_1", 2) for _ in range(2 * WINDOW_SECONDS + 1)]
    assert [one.allowed for one in taken] == [True] * 2 * WINDOW_SECONDS + [False]
    assert taken[0].fields() == {
        "RateLimit-Policy": '"requests";q=20;w=10',
        "RateLimit": '"requests";r=19;t=1',
    }
    assert taken[-1].fields()["RateLimit"] == '"requests";r=0;t=10'
    assert taken[-1].retry_after == 1
    assert buckets.take("key_2", 2).allowed


def test_a_bucket_fills_up(buckets: Buckets) -> None:
    while buckets.take("key_1", 1000).allowed:
        pass
    while not buckets.take("key_1", 1000).allowed:
        pass


def test_processes_share_the_buckets(redis_url: str) -> None:
    each = [SharedBuckets(redis_url) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        taken = threads.map(lambda n: each[n % 3].take("key_1", 1), range(30))
    assert sum(one.allowed for one in taken) <= WINDOW_SECONDS + 3  # a second may pass
    assert not each[0].take("key_1", 1).allowed


def test_without_redis_all_are_allowed_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = SharedBuckets("redis://127.0.0.1:1/0")
    assert all(away.take("key_1", 1).allowed for _ in range(20))
    assert caplog.text.count("requests are not limited") == 1


class TestOverHttp:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"limit_requests_per_second": 1})

    @pytest.fixture
    def database_kind(self) -> str:
        return "sqlite"  # the answers don't depend on it

    def test_too_many(self, ann: httpx.Client, client_of: Client) -> None:
        answers = [ann.get("/v1/models") for _ in range(WINDOW_SECONDS + 5)]
        assert answers[0].headers["ratelimit-policy"] == '"requests";q=10;w=10'
        assert answers[0].headers["ratelimit"] == '"requests";r=9;t=1'
        refused = next(answer for answer in answers if answer.status_code != 200)
        document = problem(refused, 429, "too-many-requests")
        assert "1 requests a second" in document["detail"]
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
        assert client_of("ann").get("/v1/models").status_code == 200  # each key has its own


@pytest.fixture
def site(tmp_path: Path, redis_url: str) -> Settings:
    return Settings(data=tmp_path, broker_url=redis_url)


def test_the_broker_has_the_buckets(site: Settings, tmp_path: Path) -> None:
    assert isinstance(rate.buckets(site), SharedBuckets)
    assert isinstance(rate.buckets(Settings(data=tmp_path)), OwnBuckets)
