"""Uploads in parts: any order, again, beside each other, and what can be wrong with them."""

import errno
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.tables import AuditEntry, File
from service.database.upload_sessions import UploadPart, UploadSession
from service.retention.collector import Collector
from service.settings import Settings
from service.storage.objects import Storage
from service.storage.sparse_files import _Section
from service.upload_sessions import completing
from service.upload_sessions.beginning import suitable_part_size
from tests.support.answers import Client, created, problem
from tests.support.jobs import wait_until
from tests.support.upload_sessions import digest_header, put_part, session_request

CONTENT = os.urandom(2500)
PARTS = [CONTENT[:1000], CONTENT[1000:2000], CONTENT[2000:]]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
Begin = Callable[..., str]
both_databases = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # where a test does not ask for both


@pytest.fixture
def begin(ann: httpx.Client) -> Begin:
    """Begin a session of ann; return its id."""

    def post(**members: Any) -> str:
        body = session_request(CONTENT, part_size=1000, **members)
        return str(created(ann.post("/v1/uploads", json=body))["id"])

    return post


def stored(settings: Settings) -> list[str]:
    return sorted(p.name for p in (settings.data / "files").rglob("*") if p.is_file())


def collect(settings: Settings, engine: Engine) -> None:
    Collector(settings, engine, Storage(settings.resolved_storage_url)).collect()


def received(client: httpx.Client, identity: str) -> list[int]:
    numbers: list[int] = client.get(f"/v1/uploads/{identity}").json()["received"]
    return numbers


def complete(client: httpx.Client, identity: str) -> httpx.Response:
    return client.post(f"/v1/uploads/{identity}/complete")


@pytest.mark.parametrize(("size", "part_size"), [(100, 100), (10**9, 16 << 20), (10**12, 10**8)])
def test_the_server_chooses_parts(size: int, part_size: int) -> None:
    assert suitable_part_size(size, None) == part_size


class TestBegin:
    def test_anonymous(self, anonymous: httpx.Client, settings: Settings) -> None:
        problem(anonymous.post("/v1/uploads", json=session_request(b"x")), 401, "unauthorized")
        assert stored(settings) == []

    def test_what_is_told(self, ann: httpx.Client) -> None:
        body = session_request(CONTENT, kind="dataset", transform={"scale": 0.5}, part_size=1000)
        answer = ann.post("/v1/uploads", json=body)
        session = created(answer)
        assert answer.status_code == 201
        told = {"state": "open", "parts": 3, "part_size": 1000, "received": [], "upload_id": None}
        assert session | told == session
        assert session["expires_at"] > session["created_at"]

    @both_databases
    def test_idempotency_key(
        self, ann: httpx.Client, bob: httpx.Client, settings: Settings
    ) -> None:
        headers = {"Idempotency-Key": "mine"}
        body = session_request(CONTENT)
        first = created(ann.post("/v1/uploads", json=body, headers=headers))
        again = created(ann.post("/v1/uploads", json=body, headers=headers))
        assert again == first
        other = session_request(CONTENT + b"x")
        answer = ann.post("/v1/uploads", json=other, headers=headers)
        problem(answer, 422, "idempotency-key-reused")
        assert created(bob.post("/v1/uploads", json=body, headers=headers))["id"] != first["id"]
        assert len(stored(settings)) == 2

    @pytest.mark.parametrize(
        ("members", "pointer"),
        [
            ({"kind": "file"}, "/kind"),
            ({"name": ""}, "/name"),
            ({"size": 0}, "/size"),
            ({"sha256": "x"}, "/sha256"),
            ({"sha256": "A" * 64}, "/sha256"),
            ({"part_size": 0}, "/part_size"),
            ({"size": 20_000, "part_size": 1}, "/part_size"),
            ({"kind": "dataset", "transform": {"scale": "much"}}, "/transform/scale"),
            ({"transform": {}}, ""),
            ({"other": 1}, "/other"),
        ],
    )
    def test_bad(
        self, ann: httpx.Client, settings: Settings, members: dict[str, Any], pointer: str
    ) -> None:
        answer = ann.post("/v1/uploads", json=session_request(CONTENT, **members))
        assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == pointer
        assert stored(settings) == []

    def test_too_large(self, ann: httpx.Client, settings: Settings) -> None:
        settings.max_upload_bytes = 1000
        body = problem(ann.post("/v1/uploads", json=session_request(CONTENT)), 413, "too-large")
        assert body["limit"] == 1000

    def test_no_space_left(self, ann: httpx.Client, settings: Settings) -> None:
        settings.max_upload_bytes = 1 << 62
        answer = ann.post("/v1/uploads", json=session_request(CONTENT, size=1 << 60))
        problem(answer, 507, "storage-full")
        assert stored(settings) == []


class TestParts:
    def test_anonymous(self, anonymous: httpx.Client, begin: Begin) -> None:
        problem(put_part(anonymous, begin(), 0, PARTS[0]), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, begin: Begin) -> None:
        problem(put_part(bob, begin(), 0, PARTS[0]), 404, "not-found")

    @both_databases
    def test_any_order_side_by_side_and_again(
        self, ann: httpx.Client, begin: Begin, settings: Settings
    ) -> None:
        session = begin()
        problem(complete(ann, session), 409, "parts-missing")
        numbers = [2, 0, 2, 1, 0, 1, 2]
        with ThreadPoolExecutor(4) as threads:
            answers = threads.map(lambda n: put_part(ann, session, n, PARTS[n]), numbers)
        assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 7
        assert received(ann, session) == [0, 1, 2]
        model = created(complete(ann, session))
        assert (model["state"], model["sha256"], model["name"]) == ("inspecting", SHA256, "m.pt2")
        assert stored(settings) == [SHA256]

    def test_what_is_missing(self, ann: httpx.Client, begin: Begin) -> None:
        session = begin()
        assert put_part(ann, session, 2, PARTS[2]).status_code == 204
        shown = ann.get(f"/v1/uploads/{session}").json()
        assert (shown["received"], shown["received_bytes"]) == ([2], 500)
        body = problem(complete(ann, session), 409, "parts-missing")
        assert body["missing"] == [0, 1]
        assert body["detail"] == "Of 3 parts, 2 are missing: 0, 1."

    def test_wrong_checksum(self, ann: httpx.Client, begin: Begin) -> None:
        session = begin()
        digest = {"Content-Digest": digest_header(PARTS[0])}
        answer = put_part(ann, session, 0, PARTS[1], **digest)
        assert SHA256 not in problem(answer, 412, "checksum-mismatch")["detail"]
        assert received(ann, session) == []
        assert put_part(ann, session, 0, PARTS[0]).status_code == 204
        problem(put_part(ann, session, 0, PARTS[1], **digest), 412, "checksum-mismatch")
        assert received(ann, session) == [0]

    def test_another_content(self, ann: httpx.Client, begin: Begin) -> None:
        session = begin()
        put_part(ann, session, 0, PARTS[0])
        problem(put_part(ann, session, 0, PARTS[1]), 409, "part-differs")
        for number in (1, 2):
            put_part(ann, session, number, PARTS[number])
        assert created(complete(ann, session))["sha256"] == SHA256

    @pytest.mark.parametrize(
        "digest", ["", "sha-256=x", "sha-512=:AAAA:", "sha-256=:" + "A" * 42 + "==:"]
    )
    def test_without_a_checksum(self, ann: httpx.Client, begin: Begin, digest: str) -> None:
        answer = put_part(ann, begin(), 0, PARTS[0], **{"Content-Digest": digest})
        error = problem(answer, 422, "invalid")["errors"][0]
        assert (error["in"], error["pointer"]) == ("header", "/content-digest")

    def test_other_spellings_of_the_checksum(self, ann: httpx.Client, begin: Begin) -> None:
        session, digest = begin(), digest_header(PARTS[0])
        several = f"unixsum=:30637:, {digest}, sha-512=:AAAA:"
        path = f"/v1/uploads/{session}/parts/0"
        for headers in ({"Repr-Digest": digest}, {"Content-Digest": several}):
            assert ann.put(path, content=PARTS[0], headers=headers).status_code == 204

    @pytest.mark.parametrize("number", ["3", "9" * 30])
    def test_no_such_part(self, ann: httpx.Client, begin: Begin, number: str) -> None:
        problem(put_part(ann, begin(), int(number), b"x"), 404, "not-found")

    def test_sizes(self, ann: httpx.Client, begin: Begin) -> None:
        session = begin()
        long, short = CONTENT[:1001], CONTENT[:999]
        problem(put_part(ann, session, 0, long), 413, "too-large")
        problem(put_part(ann, session, 0, short), 422, "invalid")
        problem(put_part(ann, session, 2, PARTS[0]), 413, "too-large")
        path = f"/v1/uploads/{session}/parts/0"
        for content, status in ((long, 413), (short, 422)):  # chunked: no length is declared
            headers = {"Content-Digest": digest_header(content)}
            assert ann.put(path, content=iter([content]), headers=headers).status_code == status
        assert received(ann, session) == []

    def test_cut_off(self, ann: httpx.Client, begin: Begin) -> None:
        session = begin()
        request = ann.build_request(
            "PUT", f"/v1/uploads/{session}/parts/0", content=PARTS[0],
            headers={"Content-Digest": digest_header(PARTS[0])},
        )  # fmt: skip
        lines = [
            f"PUT {request.url.path} HTTP/1.1",
            *(f"{k}: {v}" for k, v in request.headers.items()),
        ]
        with socket.create_connection((request.url.host, request.url.port or 0)) as raw:
            raw.sendall("\r\n".join([*lines, "", ""]).encode() + PARTS[0][:500])
        assert received(ann, session) == []
        assert put_part(ann, session, 0, PARTS[0]).status_code == 204

    def test_no_space_left(
        self, ann: httpx.Client, begin: Begin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        session = begin()
        with monkeypatch.context() as patch:
            patch.setattr(_Section, "_write", full)
            problem(put_part(ann, session, 0, PARTS[0]), 507, "storage-full")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)  # a disk may say it as late as this
            problem(put_part(ann, session, 0, PARTS[0]), 507, "storage-full")
        assert received(ann, session) == []
        assert put_part(ann, session, 0, PARTS[0]).status_code == 204


@pytest.fixture
def whole(ann: httpx.Client, begin: Begin) -> str:
    """A session whose parts have arrived."""
    session = begin()
    for number, part in enumerate(PARTS):
        assert put_part(ann, session, number, part).status_code == 204
    return session


class TestComplete:
    def test_anonymous(self, anonymous: httpx.Client, whole: str) -> None:
        problem(complete(anonymous, whole), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, whole: str) -> None:
        problem(complete(bob, whole), 404, "not-found")

    @both_databases
    def test_a_dataset(self, ann: httpx.Client, waiting: Callable[[str], int]) -> None:
        transform = {"scale": 0.5, "layout": "nhwc"}
        body = session_request(CONTENT, kind="dataset", name="d.npz", transform=transform)
        session = created(ann.post("/v1/uploads", json=body))["id"]
        put_part(ann, session, 0, CONTENT)
        answer = complete(ann, session)
        dataset = created(answer)
        assert answer.headers["location"] == f"/v1/datasets/{dataset['id']}"
        assert (dataset["transform"], dataset["name"]) == (transform, "d.npz")
        assert ann.get(answer.headers["location"]).json() == dataset
        wait_until(lambda: waiting("inspect") == 1)

    def test_it_expires_meanwhile(
        self, ann: httpx.Client, whole: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look = completing._all_parts

        def slowly(*arguments: Any) -> Any:
            time.sleep(0.5)
            return look(*arguments)

        monkeypatch.setattr(completing, "_all_parts", slowly)
        soon = (utc_now() + timedelta(seconds=0.4)).isoformat()
        answer = ann.post(f"/v1/uploads/{whole}/complete", json={"expires_at": soon})
        assert answer.status_code in (201, 422), answer.text  # 422 if it had passed before
        assert ann.get("/livez").is_success

    @both_databases
    def test_again(self, ann: httpx.Client, whole: str, settings: Settings) -> None:
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: complete(ann, whole), range(4)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({created(answer)["id"] for answer in answers}) == 1
        shown = ann.get(f"/v1/uploads/{whole}").json()
        assert shown["state"] == "completed"
        assert [model["id"] for model in ann.get("/v1/models").json()["items"]] == [
            shown["upload_id"]
        ]
        problem(put_part(ann, whole, 0, PARTS[0]), 409, "upload-ended")
        problem(ann.delete(f"/v1/uploads/{whole}"), 409, "upload-ended")
        assert ann.delete(f"/v1/models/{shown['upload_id']}").status_code == 204
        assert stored(settings) == []
        problem(complete(ann, whole), 404, "not-found")

    @both_databases
    def test_what_is_there_already(
        self, ann: httpx.Client, bob: httpx.Client, whole: str, settings: Settings
    ) -> None:
        for who in (ann, bob):
            there = created(who.post("/v1/models", files={"file": ("m.pt2", CONTENT)}))
        there = ann.get("/v1/models").json()["items"][0]
        for _ in range(2):
            answer = complete(ann, whole)
            assert (answer.status_code, answer.json()["id"]) == (200, there["id"])
            assert answer.headers["content-location"] == f"/v1/models/{there['id']}"
        assert stored(settings) == [SHA256]

    def test_what_others_have_is_not_given_away(
        self, ann: httpx.Client, bob: httpx.Client, whole: str
    ) -> None:
        """A SHA-256 alone is not enough: the content must come."""
        complete(ann, whole)
        body = session_request(CONTENT)
        session = created(bob.post("/v1/uploads", json=body))["id"]
        put_part(bob, session, 0, bytes(len(CONTENT)))
        problem(complete(bob, session), 412, "checksum-mismatch")
        assert bob.get("/v1/models").json()["items"] == []

    def test_the_whole_is_checked(
        self, ann: httpx.Client, begin: Begin, settings: Settings, engine: Engine
    ) -> None:
        session = begin(sha256="0" * 64)
        for number, part in enumerate(PARTS):
            put_part(ann, session, number, part)
        assert SHA256 in problem(complete(ann, session), 412, "checksum-mismatch")["detail"]
        assert ann.delete(f"/v1/uploads/{session}").status_code == 204
        assert stored(settings) == []
        with Session(engine) as reading:
            assert list(reading.scalars(select(File.sha256))) == []

    @both_databases
    def test_a_part_that_storage_damaged_is_sent_again(
        self, ann: httpx.Client, whole: str, settings: Settings
    ) -> None:
        with (settings.data / "files" / "uploads" / whole).open("r+b") as file:
            file.seek(1500)
            file.write(b"damaged")
        body = problem(complete(ann, whole), 409, "parts-missing")
        assert (body["missing"], received(ann, whole)) == ([1], [0, 2])
        put_part(ann, whole, 1, PARTS[1])
        assert created(complete(ann, whole))["sha256"] == SHA256

    def test_not_while_a_part_is_on_its_way(self, ann: httpx.Client, begin: Begin) -> None:
        """Else that part could still change what was checked."""
        began, end = threading.Event(), threading.Event()

        def slowly() -> Iterator[bytes]:
            yield PARTS[0][:500]
            began.set()
            end.wait()
            yield PARTS[0][500:]

        identity = begin()
        for number in (1, 2):
            put_part(ann, identity, number, PARTS[number])

        def send() -> None:
            answers.append(
                ann.put(
                    f"/v1/uploads/{identity}/parts/0", content=slowly(),
                    headers={"Content-Digest": digest_header(PARTS[0])},
                )
            )  # fmt: skip

        answers: list[httpx.Response] = []
        thread = threading.Thread(target=send)
        thread.start()
        began.wait()
        assert put_part(ann, identity, 0, PARTS[0]).status_code == 204
        answer = complete(ann, identity)
        problem(answer, 503, "unavailable")
        assert "retry-after" in answer.headers
        end.set()
        thread.join()
        assert answers[0].status_code == 204
        assert created(complete(ann, identity))["sha256"] == SHA256


class TestList:
    def test_anonymous(self, anonymous: httpx.Client) -> None:
        problem(anonymous.get("/v1/uploads"), 401, "unauthorized")

    @pytest.mark.usefixtures("whole")
    def test_wrong_owner(self, bob: httpx.Client) -> None:
        assert bob.get("/v1/uploads").json() == {"items": [], "next_page_token": None}

    @both_databases
    def test_by_state_and_file(self, ann: httpx.Client, begin: Begin, whole: str) -> None:
        other = begin(sha256="0" * 64)
        complete(ann, whole)

        def listed(**params: str) -> list[str]:
            return [item["id"] for item in ann.get("/v1/uploads", params=params).json()["items"]]

        assert listed() == [other, whole]
        assert listed(state="open") == listed(sha256="0" * 64) == [other]
        assert listed(state="open", sha256=SHA256) == []
        assert ann.get("/v1/uploads").json()["items"][1]["received_bytes"] == 2500
        problem(ann.get("/v1/uploads", params={"sha256": "x"}), 422, "invalid")


class TestEnd:
    @both_databases
    def test_cancelled(
        self, ann: httpx.Client, bob: httpx.Client, anonymous: httpx.Client, whole: str,
        settings: Settings, engine: Engine,
    ) -> None:  # fmt: skip
        problem(anonymous.delete(f"/v1/uploads/{whole}"), 401, "unauthorized")
        problem(bob.delete(f"/v1/uploads/{whole}"), 404, "not-found")
        for _ in range(2):
            assert ann.delete(f"/v1/uploads/{whole}").status_code == 204
        assert stored(settings) == []
        problem(put_part(ann, whole, 0, PARTS[0]), 409, "upload-ended")
        problem(complete(ann, whole), 409, "upload-ended")
        with Session(engine) as session:
            actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
        assert actions == ["upload.create", "upload.cancel"]

    @both_databases
    def test_expired(
        self, ann: httpx.Client, whole: str, begin: Begin, settings: Settings, engine: Engine,
        alter: Callable[..., None],
    ) -> None:  # fmt: skip
        left = begin()
        put_part(ann, left, 0, PARTS[0])
        collect(settings, engine)
        assert len(stored(settings)) == 2
        alter(UploadSession, whole, expires_at=utc_now() - timedelta(seconds=1))
        for answer in (
            ann.get(f"/v1/uploads/{whole}"),
            put_part(ann, whole, 0, PARTS[0]),
            complete(ann, whole),
            ann.delete(f"/v1/uploads/{whole}"),
        ):
            problem(answer, 404, "not-found")
        collect(settings, engine)
        assert stored(settings) == [left]
        with Session(engine) as session:
            assert set(session.scalars(select(UploadSession.id))) == {left}
            assert set(session.scalars(select(UploadPart.session_id))) == {left}

    def test_each_part_puts_the_end_off(self, ann: httpx.Client, begin: Begin) -> None:
        session = begin()
        before = ann.get(f"/v1/uploads/{session}").json()["expires_at"]
        put_part(ann, session, 0, PARTS[0])
        assert ann.get(f"/v1/uploads/{session}").json()["expires_at"] > before

    def test_an_expired_key_can_be_used_again(
        self, ann: httpx.Client, alter: Callable[..., None]
    ) -> None:
        headers, body = {"Idempotency-Key": "mine"}, session_request(CONTENT)
        first = created(ann.post("/v1/uploads", json=body, headers=headers))["id"]
        alter(UploadSession, first, expires_at=utc_now() - timedelta(seconds=1))
        assert created(ann.post("/v1/uploads", json=body, headers=headers))["id"] != first

    def test_parts_of_no_session_are_swept(
        self, settings: Settings, engine: Engine, begin: Begin
    ) -> None:
        known = begin()
        storage = Storage(settings.resolved_storage_url)
        for name in ("upl_old", "upl_new"):
            storage.parts.begin(name, 10)
        for name in ("upl_old", known):
            os.utime(settings.data / "files" / "uploads" / name, (0, 0))
        Collector(settings, engine, storage).collect_orphans()
        assert stored(settings) == sorted(["upl_new", known])


def test_a_reading_key(client_of: Client, begin: Begin) -> None:
    session, reader = begin(), client_of("ann", ("read",))
    assert reader.get(f"/v1/uploads/{session}").is_success
    problem(put_part(reader, session, 0, PARTS[0]), 403, "forbidden")
    problem(complete(reader, session), 403, "forbidden")
