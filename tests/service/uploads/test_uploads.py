"""Models and datasets alike: what is said here holds for both."""

import errno
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from service.database.tables import Dataset, Model
from service.settings import Settings
from service.storage.objects import Incoming
from tests.support.answers import Client, created, problem
from tests.support.jobs import wait_until

CONTENT = b"some bytes" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(params=["/v1/models", "/v1/datasets"])
def path(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture
def upload(ann: httpx.Client, path: str) -> dict[str, Any]:
    return created(ann.post(path, files={"file": ("a.bin", CONTENT)}))


def stored(settings: Settings) -> list[str]:
    """Name every file in storage, whole or not."""
    return sorted(p.name for p in (settings.data / "files").rglob("*") if p.is_file())


class TestCreate:
    def test_anonymous(self, anonymous: httpx.Client, path: str, settings: Settings) -> None:
        answer = anonymous.post(path, files={"file": CONTENT})
        problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert stored(settings) == []

    def test_reading_key(self, client_of: Client, path: str) -> None:
        answer = client_of("ann", ("read",)).post(path, files={"file": CONTENT})
        problem(answer, 403, "forbidden")

    def test_file_is_stored_and_inspected(
        self, ann: httpx.Client, path: str, settings: Settings, waiting: Callable[[str], int]
    ) -> None:
        answer = ann.post(path, files={"file": ("dir/a.bin", CONTENT)})
        body = created(answer)
        assert answer.status_code == 201
        assert (body["state"], body["sha256"], body["size"]) == ("inspecting", SHA256, len(CONTENT))
        assert body["name"] == "a.bin"
        assert body["inspection"] is None
        assert body["error"] is None
        assert stored(settings) == [SHA256]
        wait_until(lambda: waiting("inspect") == 1)

    def test_name(self, ann: httpx.Client, path: str) -> None:
        body = created(ann.post(path, files={"file": CONTENT}, data={"name": " Grüße "}))
        assert body["name"] == "Grüße"

    @pytest.mark.parametrize("name", ["", "a" * 201, "a\0b"])
    def test_bad_name(self, ann: httpx.Client, path: str, settings: Settings, name: str) -> None:
        body = problem(ann.post(path, files={"file": CONTENT}, data={"name": name}), 422, "invalid")
        assert body["errors"][0]["pointer"] == "/name"
        assert stored(settings) == []

    def test_same_content_is_kept_once(
        self, ann: httpx.Client, bob: httpx.Client, path: str, settings: Settings
    ) -> None:
        ids = {created(who.post(path, files={"file": CONTENT}))["id"] for who in (ann, bob, ann)}
        assert len(ids) == 2
        assert stored(settings) == [SHA256]

    def test_same_content_at_once(self, ann: httpx.Client, path: str, settings: Settings) -> None:
        def post() -> None:
            answers.append(ann.post(path, files={"file": CONTENT}).status_code)

        answers: list[int] = []
        threads = [threading.Thread(target=post) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200] * 5 + [201]
        assert stored(settings) == [SHA256]
        assert len(ann.get(path).json()["items"]) == 1


@pytest.mark.parametrize("database_kind", ["sqlite"])
class TestBody:
    """What can be wrong with a body; no database is asked about that."""

    def test_not_multipart(self, ann: httpx.Client, path: str) -> None:
        problem(ann.post(path, json={}), 415, "not-multipart")
        problem(ann.post(path, content=b"x"), 415, "not-multipart")
        headers = {"content-type": "multipart/form-data"}
        problem(ann.post(path, content=b"x", headers=headers), 415, "not-multipart")

    @pytest.mark.parametrize(
        ("parts", "pointer"),
        [
            ([("name", (None, b"x"))], "/file"),
            ([("file", ("a", b""))], "/file"),
            ([("file", ("a", b"x")), ("file", ("b", b"y"))], "/file"),
            ([("file", ("a", b"x")), ("name", (None, b"y")), ("name", (None, b"z"))], "/name"),
            ([("file", ("a", b"x")), ("other", (None, b"y"))], "/other"),
            ([("file", ("a", b"x")), ("name", (None, b"\xff"))], "/name"),
        ],
    )
    def test_wrong_parts(
        self, ann: httpx.Client, path: str, settings: Settings, parts: Any, pointer: str
    ) -> None:
        body = problem(ann.post(path, files=parts), 422, "invalid")
        assert [error["pointer"] for error in body["errors"]] == [pointer]
        assert stored(settings) == []

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"nothing like it",
            b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nbroken off',
            b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--B\r\n',
            b"--B\r\nContent-Type: text/plain\r\n\r\nnameless\r\n--B--\r\n",
            b"--B--\r\n",
        ],
    )
    def test_broken_body(
        self, ann: httpx.Client, path: str, settings: Settings, body: bytes
    ) -> None:
        headers = {"content-type": "multipart/form-data; boundary=B"}
        answer = ann.post(path, content=body, headers=headers)
        assert answer.status_code in {400, 422}
        assert answer.headers["content-type"] == "application/problem+json"
        assert stored(settings) == []

    def test_long_field(self, ann: httpx.Client, path: str, settings: Settings) -> None:
        data = {"name": "a" * 100_000}
        problem(ann.post(path, files={"file": b"x"}, data=data), 413, "too-large")
        assert stored(settings) == []

    def test_too_large(self, ann: httpx.Client, path: str, settings: Settings) -> None:
        settings.max_upload_bytes = 1000
        body = problem(ann.post(path, files={"file": b"x" * 1001}), 413, "too-large")
        assert body["limit"] == 1000
        assert stored(settings) == []
        created(ann.post(path, files={"file": b"x" * 1000}))

    def test_too_large_by_its_own_account(self, ann: httpx.Client, path: str) -> None:
        headers = {
            "content-type": "multipart/form-data; boundary=B",
            "content-length": "1" + "0" * 15,
        }
        request = ann.build_request("POST", path, headers=headers, content=iter([b""]))
        with socket.create_connection((request.url.host, request.url.port or 0)) as raw:
            lines = [f"POST {path} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
            raw.sendall("\r\n".join([*lines, "", ""]).encode())
            assert raw.recv(1000).startswith(b"HTTP/1.1 413 ")

    def test_client_goes_away(self, ann: httpx.Client, path: str, settings: Settings) -> None:
        sent = threading.Event()

        def body() -> Iterator[bytes]:
            yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(40):
                yield b"x" * (1 << 20)
            sent.set()
            raise ConnectionAbortedError

        headers = {"content-type": "multipart/form-data; boundary=B"}
        with pytest.raises(ConnectionAbortedError):
            ann.post(path, content=body(), headers=headers)
        assert sent.is_set()
        for _ in range(500):
            if not stored(settings):
                break
            time.sleep(0.02)
        assert stored(settings) == []
        assert ann.get(path).json()["items"] == []

    def test_no_space_left(
        self,
        ann: httpx.Client,
        path: str,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def write(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Incoming, "write", write)
        problem(ann.post(path, files={"file": CONTENT}), 507, "storage-full")
        assert stored(settings) == []


class TestGet:
    def test_anonymous(self, anonymous: httpx.Client, path: str, upload: dict[str, Any]) -> None:
        problem(anonymous.get(f"{path}/{upload['id']}"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, path: str, upload: dict[str, Any]) -> None:
        problem(bob.get(f"{path}/{upload['id']}"), 404, "not-found")

    @pytest.mark.parametrize("identity", ["mdl_1", "%00", "mdl_" + "0" * 24, "%ff"])
    def test_unknown(self, ann: httpx.Client, path: str, identity: str) -> None:
        problem(ann.get(f"{path}/{identity}"), 404, "not-found")

    def test_what_the_worker_found(
        self,
        ann: httpx.Client,
        path: str,
        upload: dict[str, Any],
        alter: Callable[..., None],
    ) -> None:
        assert ann.get(f"{path}/{upload['id']}").json() == upload
        found = {"inspection": {"parameters": 10}, "state": "ready"}
        alter(Model if "models" in path else Dataset, upload["id"], **found)
        assert ann.get(f"{path}/{upload['id']}").json() == upload | found


class TestList:
    def test_anonymous(self, anonymous: httpx.Client, path: str) -> None:
        problem(anonymous.get(path), 401, "unauthorized")

    @pytest.mark.usefixtures("upload")
    def test_wrong_owner(self, bob: httpx.Client, path: str) -> None:
        assert bob.get(path).json() == {"items": [], "next_page_token": None}

    def test_pages(self, ann: httpx.Client, path: str) -> None:
        made = [created(ann.post(path, files={"file": (f"{i}", CONTENT)}))["id"] for i in range(5)]
        seen, token = [], None
        for expected in (2, 2, 1):
            params = {"page_size": 2} | ({"page_token": token} if token else {})
            page = ann.get(path, params=params).json()
            assert len(page["items"]) == expected
            seen += [item["id"] for item in page["items"]]
            token = page["next_page_token"]
        assert token is None
        assert seen == made[::-1]

    def test_state(self, ann: httpx.Client, path: str, upload: dict[str, Any]) -> None:
        assert ann.get(path, params={"state": "inspecting"}).json()["items"] == [upload]
        assert ann.get(path, params={"state": "ready"}).json()["items"] == []

    @pytest.mark.parametrize(
        "params",
        [
            {"page_token": "x"},
            {"page_token": "ÿ"},
            {"page_token": "WzEsMl0"},
            {"page_size": "0"},
            {"page_size": "1001"},
            {"state": "lost"},
        ],
    )
    def test_bad_query(self, ann: httpx.Client, path: str, params: dict[str, str]) -> None:
        error = problem(ann.get(path, params=params), 422, "invalid")["errors"][0]
        assert error["pointer"] == f"/{next(iter(params))}"
        assert error["in"] == "query"


class TestDelete:
    def test_anonymous(self, anonymous: httpx.Client, path: str, upload: dict[str, Any]) -> None:
        problem(anonymous.delete(f"{path}/{upload['id']}"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, path: str, upload: dict[str, Any]) -> None:
        problem(bob.delete(f"{path}/{upload['id']}"), 404, "not-found")

    def test_reading_key(self, client_of: Client, path: str, upload: dict[str, Any]) -> None:
        reader = client_of("ann", ("read",))
        problem(reader.delete(f"{path}/{upload['id']}"), 403, "forbidden")

    def test_file_stays_while_another_refers_to_it(
        self,
        ann: httpx.Client,
        bob: httpx.Client,
        path: str,
        upload: dict[str, Any],
        settings: Settings,
    ) -> None:
        other = created(bob.post("/v1/models", files={"file": CONTENT}))
        answer = ann.delete(f"{path}/{upload['id']}")
        assert (answer.status_code, answer.content) == (204, b"")
        problem(ann.get(f"{path}/{upload['id']}"), 404, "not-found")
        assert stored(settings) == [SHA256]
        assert bob.delete(f"/v1/models/{other['id']}").status_code == 204
        assert stored(settings) == []

    def test_what_an_analysis_uses(
        self,
        ann: httpx.Client,
        path: str,
        analysis: dict[str, Any],
    ) -> None:
        used = f"{path}/{analysis['model_id' if 'models' in path else 'dataset_id']}"
        assert problem(ann.delete(used), 409, "in-use")["analyses"] == [analysis["id"]]
        ann.post(f"/v1/analyses/{analysis['id']}/cancel")
        problem(ann.delete(used), 409, "in-use")
        ann.delete(f"/v1/analyses/{analysis['id']}")
        assert ann.delete(used).status_code == 204

    def test_what_many_analyses_use(
        self, ann: httpx.Client, path: str, analysis: dict[str, Any]
    ) -> None:
        body = {name: analysis[name] for name in ("model_id", "dataset_id")}
        newest = [created(ann.post("/v1/analyses", json=body))["id"] for _ in range(11)][:0:-1]
        used = f"{path}/{analysis['model_id' if 'models' in path else 'dataset_id']}"
        answer = problem(ann.delete(used), 409, "in-use")
        assert answer["analyses"] == newest
        assert answer["detail"].endswith(f"{newest[-1]} and 2 more.")


class TestTransform:
    def test_stored(self, ann: httpx.Client) -> None:
        transform = {"scale": 0.0625, "mean": [0.5, 0.5], "std": [1.0, 2.0], "layout": "nhwc"}
        data = {"transform": json.dumps(transform)}
        assert (
            created(ann.post("/v1/datasets", files={"file": b"x"}, data=data))["transform"]
            == transform
        )

    def test_none(self, dataset: dict[str, Any]) -> None:
        assert dataset["transform"] == {}

    @pytest.mark.parametrize(
        ("text", "pointer"),
        [
            ("{", "/transform"),
            ("[]", "/transform"),
            ('{"scale": "much"}', "/transform/scale"),
            ('{"scale": 1e999}', "/transform/scale"),
            ('{"std": [1, 0]}', "/transform/std/1"),
            ('{"a/b": 1}', "/transform/a~1b"),
            ('{"layout": "hwcn"}', "/transform/layout"),
        ],
    )
    def test_bad(self, ann: httpx.Client, settings: Settings, text: str, pointer: str) -> None:
        data = {"transform": text}
        answer = ann.post("/v1/datasets", files={"file": b"x"}, data=data)
        assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == pointer
        assert stored(settings) == []

    def test_models_have_none(self, ann: httpx.Client) -> None:
        data = {"transform": "{}"}
        problem(ann.post("/v1/models", files={"file": b"x"}, data=data), 422, "invalid")
