"""Uploads in parts on S3."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.database.migrate import upgrade
from service.settings import Settings
from service.storage.objects import Storage
from tests.support.answers import created, problem
from tests.support.s3 import S3Server, s3_server
from tests.support.upload_sessions import digest_header, put_part, session_request

MEBIBYTE = 1 << 20
PART = 9 * MEBIBYTE
CONTENT = os.urandom(20 * MEBIBYTE)
PARTS = [CONTENT[start : start + PART] for start in range(0, len(CONTENT), PART)]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ADDRESS = f"{SHA256[:2]}/{SHA256}"


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def settings(s3: S3Server, tmp_path: Path) -> Settings:
    settings = Settings(data=tmp_path, storage_url=s3.url)
    upgrade(settings)
    return settings


def begun(ann: httpx.Client, **members: object) -> str:
    body = session_request(CONTENT, part_size=PART, **members)
    return str(created(ann.post("/v1/uploads", json=body))["id"])


def test_from_its_parts_to_its_end(ann: httpx.Client, s3: S3Server, tmp_path: Path) -> None:
    session = begun(ann)
    wrong = {"Content-Digest": digest_header(b"other")}
    problem(put_part(ann, session, 0, PARTS[0], **wrong), 412, "checksum-mismatch")
    problem(put_part(ann, session, 2, PARTS[0]), 413, "too-large")
    assert s3.keys() == s3.unfinished() == []
    for number in (2, 0, 2, 1):
        assert put_part(ann, session, number, PARTS[number]).status_code == 204
    assert [key.partition("/")[0] for key in sorted(s3.keys())] == ["uploads"] * 3
    model = created(ann.post(f"/v1/uploads/{session}/complete"))
    assert model["sha256"] == SHA256
    assert (s3.keys(), s3.unfinished()) == ([ADDRESS], [])
    assert Storage(s3.url).fetch(SHA256, tmp_path / "cache").read_bytes() == CONTENT
    assert ann.delete(f"/v1/models/{model['id']}").status_code == 204
    assert s3.keys() == []


def test_what_is_given_up_leaves_nothing(ann: httpx.Client, s3: S3Server) -> None:
    session = begun(ann, sha256="0" * 64)
    for number, part in enumerate(PARTS):
        put_part(ann, session, number, part)
    with s3.away():
        problem(ann.post(f"/v1/uploads/{session}/complete"), 503, "unavailable")
    problem(ann.post(f"/v1/uploads/{session}/complete"), 412, "checksum-mismatch")
    assert s3.unfinished() == []
    assert ann.delete(f"/v1/uploads/{session}").status_code == 204
    assert s3.keys() == []
