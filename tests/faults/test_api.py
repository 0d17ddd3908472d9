"""The API killed at the worst moments."""

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
from sqlalchemy import select

from service.database.tables import Analysis, Dataset, Model
from tests.support.faults.figures import Say
from tests.support.faults.job import BATCH, Job, Jobs
from tests.support.faults.site import PATIENCE, Site, Stopwatch
from tests.support.jobs import wait_until

DAYS = 2 * 24 * 60 * 60
MEBIBYTE = 1 << 20


def test_killed_between_commit_and_send(site: Site, jobs: Jobs, undisturbed: Job, say: Say) -> None:
    known = {row["id"] for row in jobs.records.rows(select(Analysis.id))}
    site.kill_api()
    port = site.url.rpartition(":")[2]
    site.run("api", "tests.support.faults.stuck_api", port)
    wait_until(site.answers, PATIENCE)
    asking = threading.Thread(target=ask_in_vain, args=(site, jobs))
    asking.start()

    def committed() -> set[str]:
        return {row["id"] for row in jobs.records.rows(select(Analysis.id))} - known

    wait_until(committed, PATIENCE)
    site.kill_api()
    watch = Stopwatch()
    asking.join()
    (identity,) = committed()
    job = Job(jobs.records, identity)
    recovery = watch.until(lambda: jobs.records.analysis(identity)["state"] != "queued")
    site.start_api()
    job.succeeds(like=undisturbed)
    say(f"API killed between commit and send: the analysis began {recovery:.1f} s later")


def ask_in_vain(site: Site, jobs: Jobs) -> None:
    body = {"model_id": jobs.model, "dataset_id": jobs.dataset, "batch_size": BATCH}
    with suppress(httpx.TransportError), site.new_http() as http:
        http.post("/v1/analyses", json=body)


def test_killed_amid_an_upload(site: Site, jobs: Jobs, say: Say) -> None:
    before = {path for path in (site.data / "files").rglob("*") if path.is_file()}
    rows = len(jobs.records.rows(select(Model.id))) + len(jobs.records.rows(select(Dataset.id)))
    half_an_upload(site, 24 * MEBIBYTE, sent=12 * MEBIBYTE)
    wait_until(lambda: staged(site), PATIENCE)
    site.kill_api()
    left = staged(site)
    size = sum(path.stat().st_size for path in left)
    two_days_ago = time.time() - DAYS
    for path in left:
        os.utime(path, (two_days_ago, two_days_ago))
    watch = Stopwatch()
    site.start_api()
    recovery = watch()
    wait_until(lambda: {p for p in (site.data / "files").rglob("*") if p.is_file()} == before)
    after = len(jobs.records.rows(select(Model.id))) + len(jobs.records.rows(select(Dataset.id)))
    assert after == rows
    say(
        f"API killed amid an upload: {size >> 20} MiB were staged, nothing of it visible, swept a "
        f"day later; answers again {recovery:.1f} s after its start"
    )


def half_an_upload(site: Site, size: int, sent: int) -> None:
    """Send the beginning of a form; the connection stays open until the server is gone."""
    boundary = "half"
    head = (
        f"POST /v1/models HTTP/1.1\r\nHost: narrows\r\nAuthorization: Bearer {site.key}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {size}\r\n\r\n"
        f"--{boundary}\r\nContent-Disposition: form-data; name=file; filename=m.pt2\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])))
    connection.sendall(head.encode() + bytes(sent))
    site.keep(connection)


def staged(site: Site) -> list[Path]:
    return [path for path in (site.data / "files" / "staging").glob("*") if path.stat().st_size]
