"""The limits come from arguments or the environment, and pauses grow."""

import pytest

from narrows.client import ApiError, Client, ConfigurationError, Limits, UnreachableError

AWAY = ApiError(503, {})


def test_the_environment_sets_each_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"connect": 1, "write": 2.5, "answer": 3, "upload_answer": 4, "pool": 5, "patience": 0}
    for name, value in given.items():
        monkeypatch.setenv(f"NARROWS_{name.upper()}_SECONDS", str(value))
    monkeypatch.setenv("NARROWS_RETRIES", "0")
    with Client("http://127.0.0.1:1") as client:
        limits = client._connection.limits
    assert limits == Limits(**given, retries=0)
    timeout = limits.timeout(limits.answer)
    assert (timeout.connect, timeout.write, timeout.read, timeout.pool) == (1, 2.5, 3, 5)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("NARROWS_ANSWER_SECONDS", "soon"), ("NARROWS_WRITE_SECONDS", "0"),
        ("NARROWS_POOL_SECONDS", "inf"), ("NARROWS_CONNECT_SECONDS", "nan"),
        ("NARROWS_RETRIES", "1.5"), ("NARROWS_RETRIES", "-1"),
    ],
)  # fmt: skip
def test_a_wrong_limit_names_its_variable(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigurationError, match=f"{variable} is {text}; it must be a "):
        Client("http://127.0.0.1:1")


def test_pauses_double_with_a_random_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.client.limits.FIRST_PAUSE", 0.5)
    monkeypatch.setattr("narrows.client.limits.LONGEST_PAUSE", 10)
    limits = Limits(retries=50)
    for repeat, longest in enumerate([0.5, 1, 2, 4, 8, 10, 10]):
        drawn = {limits.pause(AWAY, repeat) for _ in range(20)}
        assert len(drawn) > 1
        assert all(d is not None and longest / 2 <= d <= longest for d in drawn)
    assert limits.pause(AWAY, 50) is None
    assert limits.pause(UnreachableError("is not Narrows"), 0) is None


def test_patience_is_counted_in_seconds() -> None:
    limits = Limits(retries=0, patience=60)
    assert limits.pause(AWAY, 1000, waited=49) is not None
    assert limits.pause(AWAY, 0, waited=60) is None
    assert limits.pause(ApiError(503, {}, retry_after=61), 0, waited=0) is None


@pytest.mark.parametrize(
    "url", ["narrows.example", "localhost:8000", "ftp://host", "http://", "http://h:port"]
)
def test_a_wrong_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is no URL of a server"):
        Client(url)


@pytest.mark.parametrize("key", ["nrw_…", "nrw a", "nrw_\n_b"])
def test_a_key_that_no_request_carries(key: str) -> None:
    with pytest.raises(ConfigurationError, match="Check NARROWS_API_KEY"):
        Client("http://127.0.0.1:1", key)
