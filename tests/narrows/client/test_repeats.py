"""A call is repeated where that may help, and a repeat does nothing twice."""

from pathlib import Path

import pytest

from narrows.client import ApiError, Client, Limits, TimedOutError, UnreachableError
from tests.support.misbehaving import (
    Fault,
    Handler,
    Misbehaving,
    analysis_document,
    answer_too_late,
    answer_well,
    keep_and_lose,
    lose_the_answer,
    reset,
    saying,
)

ANALYSIS = analysis_document()["id"]


def client_of(server: Misbehaving, **limits: float) -> Client:
    return Client(server.url, "nrw_key", limits=Limits(**limits))  # type: ignore[arg-type]  # retries: int


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.pt2"
    path.write_bytes(bytes(range(256)) * 10_000)
    return path


@pytest.mark.parametrize(
    "fault",
    [reset, lose_the_answer, *map(saying, (408, 429, 502, 503, 504))],
    ids=["reset", "no answer", "408", "429", "502", "503", "504"],
)
def test_what_may_pass_is_tried_again(fault: Fault, server: Misbehaving) -> None:
    server.faults = [fault] * 5
    with client_of(server) as client:
        assert client.analyses.retrieve(ANALYSIS).id == ANALYSIS
    assert len(server.asked) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 507])
def test_other_errors_are_not(status: int, server: Misbehaving) -> None:
    server.faults = [saying(status)]
    with client_of(server) as client, pytest.raises(ApiError, match="Not now"):
        client.analyses.create(model_id="mdl_1", dataset_id="dst_1")
    assert len(server.asked) == 1


def test_it_gives_up_with_the_last_error(server: Misbehaving) -> None:
    server.faults = [reset, saying(502), saying(503)]
    with client_of(server, retries=2) as client, pytest.raises(ApiError) as raised:
        client.workers.list().first(1)
    assert raised.value.status == 503


def test_retry_after_is_respected(server: Misbehaving) -> None:
    server.faults = [saying(429, Retry_After="1"), saying(503, Retry_After="soon")]
    said = list[tuple[int, float]]()
    with client_of(server) as client:
        client.on_retry(lambda _, repeat, pause: said.append((repeat, pause)))
        client.analyses.retrieve(ANALYSIS)
    (first, long), (second, short) = said
    assert (first, second) == (0, 1)
    assert 1 <= long < 1.1
    assert short < 0.1


def test_a_date_in_retry_after(server: Misbehaving) -> None:
    server.faults = [saying(503, Retry_After="Fri, 31 Dec 2100 23:59:59 GMT")]
    with client_of(server) as client, pytest.raises(ApiError) as raised:
        client.analyses.retrieve(ANALYSIS)  # nobody waits so long
    assert (raised.value.retry_after or 0) > 1e9


def test_one_idempotency_key_for_all_repeats(server: Misbehaving) -> None:
    server.faults = [lose_the_answer, saying(503), answer_well]
    with client_of(server) as client:
        client.analyses.create(model_id="mdl_1", dataset_id="dst_1")
        assert (len(server.posts()), len(server.keys)) == (3, 1)
        client.analyses.create(model_id="mdl_1", dataset_id="dst_1")
    assert len(server.keys) == 2


@pytest.mark.parametrize("fault", [reset, saying(503)])
def test_an_upload_begins_again(fault: Fault, server: Misbehaving, file: Path) -> None:
    server.faults = [fault]
    read = list[int]()
    with client_of(server) as client:
        model = client.models.upload(file, read.append)
    assert file.read_bytes() in server.posts()[-1].body
    assert sum(read) == file.stat().st_size
    assert [model.id] == [made["id"] for made in server.models]


def test_an_upload_that_arrived_is_not_sent_again(server: Misbehaving, file: Path) -> None:
    server.faults = [lose_the_answer, saying(502)]
    with client_of(server) as client:
        model = client.models.upload(file)
    assert [(a.method, a.path.partition("?")[0]) for a in server.asked] == [
        ("POST", "/v1/models"), ("GET", "/v1/models"), ("GET", "/v1/models"),
    ]  # fmt: skip
    assert [model.to_dict()] == server.models


def test_another_transform_makes_another_dataset(server: Misbehaving, file: Path) -> None:
    server.faults = [lose_the_answer]
    with client_of(server) as client:
        client.datasets.upload(file, transform={"scale": 0.5})  # what is there has none
    assert len(server.posts()) == 2


def test_a_key_that_may_only_write(server: Misbehaving, file: Path) -> None:
    server.faults = [lose_the_answer, saying(403)]
    with client_of(server) as client:
        client.models.upload(file)
    assert len(server.posts()) == 2


def test_an_upload_has_a_longer_limit(server: Misbehaving, file: Path) -> None:
    server.faults = [answer_too_late]
    with client_of(server, answer=30, upload_answer=0.3) as client:
        assert client.models.upload(file).to_dict() == server.models[0]  # found by its digest
    assert len(server.posts()) == 1


def test_an_upload_that_a_proxy_keeps(server: Misbehaving, file: Path) -> None:
    server.faults = [keep_and_lose]
    with client_of(server, upload_answer=0.3) as client, pytest.raises(TimedOutError) as raised:
        client.models.upload(file)
    assert "no answer within 0.3 s (NARROWS_UPLOAD_ANSWER_SECONDS)" in str(raised.value)
    assert "to upload it once more is harmless" in str(raised.value)
    assert len(server.posts()) == 1


def test_watching_outlives_a_server_that_is_away(server: Misbehaving) -> None:
    away = [reset, saying(502), saying(503), reset] * 5
    server.faults = [answer_well, *away]
    states = []
    with client_of(server, retries=0) as client:
        for analysis in client.analyses.watch(ANALYSIS):
            states.append(analysis.state)
            server.analysis = analysis_document(state="succeeded")
        assert states == ["queued", "succeeded"]
        server.faults = [answer_well, *away]
        assert client.analyses.wait(ANALYSIS).state == "succeeded"


def test_the_first_question_has_no_such_patience(server: Misbehaving) -> None:
    server.faults = [reset]
    with client_of(server, retries=0) as client, pytest.raises(UnreachableError):
        next(client.analyses.watch(ANALYSIS))


@pytest.mark.parametrize("fault", [reset, saying(503), keep_and_lose])
def test_it_says_how_to_come_back(
    fault: Fault, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "narrows.client.synchronous.jobs.WATCH_SECONDS", 0
    )  # nor does the call wait
    server.faults = [answer_well, fault]
    with client_of(server, patience=0, answer=0.3) as client:
        watched = client.analyses.watch(ANALYSIS)
        next(watched)
        with pytest.raises((ApiError, UnreachableError)) as raised:
            next(watched)
    assert str(raised.value).endswith(f"goes on; come back with: narrows show {ANALYSIS}")


def test_a_wait_that_takes_too_long(server: Misbehaving) -> None:
    with client_of(server) as client, pytest.raises(TimedOutError) as raised:
        client.analyses.wait(ANALYSIS, 0.01)
    assert "is queued after 0.01 s" in str(raised.value)
    assert f"narrows show {ANALYSIS}" in str(raised.value)


def test_the_server_is_asked_to_wait(server: Misbehaving) -> None:
    def end(handler: Handler) -> None:
        server.analysis = analysis_document(state="succeeded")
        answer_well(handler)

    server.faults = [answer_well, answer_well, end]
    with client_of(server) as client:
        assert client.analyses.wait(ANALYSIS, timeout=300).state == "succeeded"
    assert [a.headers.get("Prefer") for a in server.asked] == [None, "wait=10", "wait=10"]


def test_a_slow_answer_names_its_limit(server: Misbehaving) -> None:
    server.faults = [keep_and_lose]
    late = r"within 0.2 s \(NARROWS_ANSWER_SECONDS\)"
    with (
        client_of(server, answer=0.2, retries=0) as client,
        pytest.raises(TimedOutError, match=late) as said,
    ):
        client.workers.list().first(1)
    assert said.value.phase == "answer"
