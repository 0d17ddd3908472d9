"""The disk full, under everything that the service keeps in its folder."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.faults.figures import Say
from tests.support.faults.job import Job, Jobs
from tests.support.faults.site import Site, Stopwatch

MEBIBYTE = 1 << 20
FULL_SECONDS = 6


@contextmanager
def full_disk(site: Site, *, but: int) -> Iterator[None]:
    """Leave only so many bytes of the site's disk; what comes free on it is taken at once."""
    ballast, stop = site.data / "ballast", threading.Event()

    def fill() -> None:
        disk = os.statvfs(site.data)
        with suppress(OSError), ballast.open("ab") as file:  # others write to it, too
            file.write(bytes(max(0, disk.f_bavail * disk.f_frsize - but)))

    def keep_full() -> None:
        while not stop.wait(0.02):
            fill()

    fill()
    thread = threading.Thread(target=keep_full)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        ballast.unlink()


@pytest.fixture
def small_site(site: Site) -> Site:
    if not site.has_small_disk:
        pytest.skip("mounting a small disk takes CAP_SYS_ADMIN")
    return site


@pytest.mark.parametrize("mebibytes", [8, 20])  # storage writes up to ten at once
def test_an_upload_beyond_what_is_left(
    small_site: Site, jobs: Jobs, undisturbed: Job, tmp_path: Path, say: Say, mebibytes: int
) -> None:
    large = tmp_path / "large.pt2"
    large.write_bytes(os.urandom(mebibytes * MEBIBYTE))
    job = jobs.running()
    with full_disk(small_site, but=mebibytes * MEBIBYTE // 2):
        with large.open("rb") as file:
            answer = small_site.http.post("/v1/models", files={"file": file})
        assert answer.status_code == 507, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:narrows:problem:storage-full"
        assert jobs.records.leaks() == []
        listed = small_site.http.get("/v1/models").json()["items"]
        assert [model["id"] for model in listed] == [jobs.model]
    job.succeeds(like=undisturbed)
    with large.open("rb") as file:
        model = small_site.http.post("/v1/models", files={"file": file}).json()["id"]
    *_, found = small_site.client.models.watch(model)
    assert found.state == "rejected"
    small_site.client.models.delete(model)
    say(f"disk full: {mebibytes} MiB got a 507, nothing of them stayed; later they went through")


def test_nothing_left_at_all(small_site: Site, jobs: Jobs, undisturbed: Job, say: Say) -> None:
    job = jobs.running(build=["uniform"])
    with full_disk(small_site, but=0):
        answer = small_site.http.post("/v1/models", files={"file": bytes(2 * MEBIBYTE)})
        assert answer.status_code == 507, answer.text
        asked = {"model_id": jobs.model, "dataset_id": "dst_none"}
        answer = small_site.http.post("/v1/analyses", json=asked)
        assert answer.status_code in {404, 507}, answer.text
        time.sleep(FULL_SECONDS)
        assert not job.has_ended
    watch = Stopwatch()
    job.ends("succeeded")
    recovery = watch()
    assert job.results["structures"] == undisturbed.results["structures"]
    say(f"disk full to the last byte for {FULL_SECONDS} s: the job finished {recovery:.1f} s later")
