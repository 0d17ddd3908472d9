"""What was built is downloaded byte for byte, by its owner, and gone with its analysis."""

import hashlib
import os
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.database.tables import Artifact, File
from service.http.byte_range import byte_range
from service.http.problems import NoSuchRangeError
from service.settings import Settings
from service.storage.objects import Storage
from tests.support.answers import Client, created, problem

Json = dict[str, Any]
CONTENT = os.urandom(3 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(analysis: Json) -> str:
    return f"/v1/analyses/{analysis['id']}/artifacts"


@pytest.fixture
def build(engine: Engine, settings: Settings, succeed: Callable[[str], None]) -> Callable[..., str]:
    """Leave an analysis as a worker does that built files; returns where they are listed."""

    def make(identity: str, **contents: bytes) -> str:
        storage = Storage(settings.resolved_storage_url)
        succeed(identity)
        with Session(engine) as session, session.begin():
            for index, (name, content) in enumerate(contents.items()):
                stored = storage.put(content)
                storage.keep(stored)
                session.merge(File(sha256=stored.sha256, size=stored.size))
                session.flush()
                row = {"name": f"{name}.pt2", "sha256": stored.sha256, "size": stored.size}
                session.add(Artifact(analysis_id=identity, index=index, **row))
        return f"/v1/analyses/{identity}/artifacts"

    return make


@pytest.fixture
def built(analysis: Json, build: Callable[..., str]) -> str:
    return build(analysis["id"], double=CONTENT, pruned=b"leaner")


def objects(settings: Settings) -> set[str]:
    """Name every file in storage."""
    return {p.name for p in (settings.data / "files").rglob("*") if p.is_file()}


class TestList:
    def test_anonymous(self, anonymous: httpx.Client, built: str) -> None:
        problem(anonymous.get(built), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, built: str) -> None:
        problem(bob.get(built), 404, "not-found")

    def test_not_yet(self, ann: httpx.Client, path: str) -> None:
        problem(ann.get(path), 409, "no-result")

    def test_nothing_built(
        self, ann: httpx.Client, analysis: Json, path: str, succeed: Callable[[str], None]
    ) -> None:
        succeed(analysis["id"])
        assert ann.get(path).json() == {"items": [], "next_page_token": None}

    def test_items(self, client_of: Client, built: str) -> None:
        items = client_of("ann", ("read",)).get(built).json()["items"]
        url = f"{built}/double.pt2"
        assert items[0] == {
            "name": "double.pt2", "size": len(CONTENT), "sha256": SHA256, "url": url,
            "expires_at": None,
        }  # fmt: skip
        assert [item["name"] for item in items] == ["double.pt2", "pruned.pt2"]


class TestDownload:
    def test_anonymous(self, anonymous: httpx.Client, built: str) -> None:
        problem(anonymous.get(f"{built}/double.pt2"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, built: str) -> None:
        problem(bob.get(f"{built}/double.pt2"), 404, "not-found")

    def test_not_yet(self, ann: httpx.Client, path: str) -> None:
        problem(ann.get(f"{path}/double.pt2"), 409, "no-result")

    @pytest.mark.parametrize("name", ["triple.pt2", "%00", "..%2Fx", "double"])
    def test_unknown(self, ann: httpx.Client, built: str, name: str) -> None:
        answer = problem(ann.get(f"{built}/{name}"), 404, "not-found")
        if "%2F" not in name:  # which is another path
            assert "double.pt2, pruned.pt2" in answer["detail"]

    def test_bytes(self, client_of: Client, built: str) -> None:
        answer = client_of("ann", ("read",)).get(f"{built}/double.pt2")
        assert answer.status_code == 200
        assert answer.content == CONTENT
        expected = {
            "content-length": str(len(CONTENT)),
            "content-type": "application/octet-stream",
            "content-disposition": 'attachment; filename="double.pt2"',
            "etag": f'"{SHA256}"',
            "accept-ranges": "bytes",
        }
        assert {name: answer.headers[name] for name in expected} == expected

    def test_as_it_was(self, ann: httpx.Client, built: str) -> None:
        answer = ann.get(f"{built}/double.pt2", headers={"If-None-Match": f'"{SHA256}"'})
        assert (answer.status_code, answer.content) == (304, b"")

    def test_range(self, ann: httpx.Client, built: str) -> None:
        def get(wanted: str, **more: str) -> httpx.Response:
            return ann.get(f"{built}/double.pt2", headers={"Range": wanted, **more})

        half = len(CONTENT) // 2
        first, rest = get(f"bytes=0-{half - 1}"), get(f"bytes={half}-")
        assert first.status_code == rest.status_code == 206
        assert first.headers["content-range"] == f"bytes 0-{half - 1}/{len(CONTENT)}"
        assert first.content + rest.content == CONTENT
        answer = problem(get(f"bytes={len(CONTENT)}-"), 416, "no-such-range")
        assert str(len(CONTENT)) in answer["detail"]
        assert get("bytes=0-1", **{"If-Range": '"another"'}).content == CONTENT
        assert get("bytes=0-1", **{"If-Range": f'"{SHA256}"'}).content == CONTENT[:2]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None), ("", None), ("bytes=-", None), ("bytes=5-4", None), ("lines=0-1", None),
        ("bytes=0-1,3-4", None), ("bytes=a-", None), ("bytes=٣-", None),
        ("bytes=0-0", (0, 1)), ("Bytes=2-99", (2, 10)), ("bytes=9-", (9, 10)),
        ("bytes=-3", (7, 10)), ("bytes=-99", (0, 10)),
    ],
)  # fmt: skip
def test_byte_range(header: str | None, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-11", "bytes=-0"])
def test_no_such_byte_range(header: str) -> None:
    with pytest.raises(NoSuchRangeError):
        byte_range(header, 10)


class TestDelete:
    def test_with_its_files(
        self, ann: httpx.Client, built: str, settings: Settings, engine: Engine
    ) -> None:
        uploads = objects(settings) - {SHA256, hashlib.sha256(b"leaner").hexdigest()}
        assert ann.delete(built.removesuffix("/artifacts")).status_code == 204
        assert objects(settings) == uploads
        problem(ann.get(f"{built}/double.pt2"), 404, "not-found")
        with Session(engine) as session:
            assert session.scalar(select(func.count()).select_from(Artifact)) == 0
            assert session.scalar(select(func.count()).select_from(File)) == len(uploads)

    def test_not_what_was_uploaded_too(
        self, ann: httpx.Client, built: str, settings: Settings
    ) -> None:
        again = created(ann.post("/v1/models", files={"file": CONTENT}))
        ann.delete(built.removesuffix("/artifacts"))
        assert SHA256 in objects(settings)
        assert ann.delete(f"/v1/models/{again['id']}").status_code == 204
        assert SHA256 not in objects(settings)

    def test_an_upload_leaves_what_was_built(self, ann: httpx.Client, built: str) -> None:
        again = created(ann.post("/v1/models", files={"file": CONTENT}))
        assert ann.delete(f"/v1/models/{again['id']}").status_code == 204
        assert ann.get(f"{built}/double.pt2").content == CONTENT

    def test_not_what_another_analysis_built(
        self, ann: httpx.Client, analysis: Json, build: Callable[..., str], settings: Settings
    ) -> None:
        request = {name: analysis[name] for name in ("model_id", "dataset_id")}
        other = created(ann.post("/v1/analyses", json=request))
        first, second = (build(one["id"], a=CONTENT, b=CONTENT) for one in (analysis, other))
        ann.delete(first.removesuffix("/artifacts"))
        assert ann.get(f"{second}/b.pt2").content == CONTENT
        ann.delete(second.removesuffix("/artifacts"))
        assert SHA256 not in objects(settings)
