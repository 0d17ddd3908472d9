"""Clients that want different things at once."""

import threading
from collections import Counter

from benchmarks.polling import at_once
from tests.support.faults.figures import Say
from tests.support.faults.job import Jobs
from tests.support.faults.site import Site

ROUNDS = 4


def test_cancel_and_delete_at_once(site: Site, jobs: Jobs, say: Say) -> None:
    answers: Counter[str] = Counter()
    for _ in range(ROUNDS):
        job = jobs.running()
        path = f"/v1/analyses/{job.id}"
        start = threading.Barrier(4)

        def cancel(path: str = path, start: threading.Barrier = start) -> None:
            with site.new_http() as http:
                start.wait()
                for _ in range(10):
                    answers[f"cancel {http.post(f'{path}/cancel').status_code}"] += 1

        def delete(path: str = path, start: threading.Barrier = start) -> None:
            with site.new_http() as http:
                start.wait()
                while (status := http.delete(path).status_code) == 409:
                    answers["delete 409"] += 1
                answers[f"delete {status}"] += 1

        at_once([cancel, cancel, delete, delete])
        assert site.http.get(path).status_code == 404
    assert answers["delete 204"] == answers["delete 404"] == ROUNDS
    assert set(answers) <= {"cancel 200", "cancel 404", "delete 204", "delete 404", "delete 409"}
    say(f"two cancel and two delete at once, {ROUNDS} times: {dict(sorted(answers.items()))}")


def test_what_is_used_stays(site: Site, jobs: Jobs) -> None:
    job = jobs.running()
    for path in (f"/v1/models/{jobs.model}", f"/v1/datasets/{jobs.dataset}"):
        answer = site.http.delete(path)
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:narrows:problem:in-use"
    site.client.analyses.cancel(job.id)
    job.ends("cancelled")
