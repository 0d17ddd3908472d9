"""What holds for the service as a whole: health, ids, problems, its description, its imports."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import TimeoutError as NoConnectionError

from service import app, health
from service.http.dependencies import Services
from service.openapi import __main__ as openapi
from service.retention import collecting
from service.settings import Settings
from service.storage.objects import Storage
from tests.support.answers import created, problem

ROOT = Path(__file__).parents[2]


class TestHealth:
    def test_alive_and_ready(self, anonymous: httpx.Client) -> None:
        for path in ("/livez", "/readyz"):
            answer = anonymous.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_not_migrated(self, anonymous: httpx.Client, engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = 'x' || version_num"))
        answer = anonymous.get("/readyz")
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE alembic_version SET version_num = substr(version_num, 2)")
            )
        assert "migrate" in problem(answer, 503, "unavailable")["detail"]
        assert anonymous.get("/livez").status_code == 200

    def test_broker_gone(self, anonymous: httpx.Client, settings: Settings) -> None:
        folder = settings.data / "broker"
        folder.write_text("a file where the folder should be")
        assert "broker" in problem(anonymous.get("/readyz"), 503, "unavailable")["detail"]


class TestWithoutConnections:
    def test_a_request_may_come_again(self, settings: Settings) -> None:
        service = app.create_app(settings)

        @service.get("/crowded")
        def crowded() -> None:
            raise NoConnectionError("QueuePool limit reached")

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(service)
            async with httpx.AsyncClient(transport=transport, base_url="http://narrows") as client:
                return await client.get("/crowded")

        answer = asyncio.run(ask())
        assert answer.headers["retry-after"] == "5"
        problem(answer, 503, "unavailable")


class TestWithoutBroker:
    def test_the_row_is_the_outbox(self, ann: httpx.Client, settings: Settings) -> None:
        (settings.data / "broker").write_text("a file where the folder should be")
        model = created(ann.post("/v1/models", files={"file": b"x"}))
        assert ann.get(f"/v1/models/{model['id']}").json()["state"] == "inspecting"


class TestSweep:
    def test_it_comes_again_while_the_service_runs(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(collecting, "INTERVAL_SECONDS", 0.05)
        monkeypatch.setattr(collecting, "ORPHANS_SECONDS", 0.0)

        async def serve() -> None:
            service = app.create_app(settings)
            async with service.router.lifespan_context(service):
                storage: Storage = service.state.services.storage
                left = settings.data / "files" / storage.put(b"left by a killed process").staging
                os.utime(left, (0, 0))
                while left.exists():
                    await asyncio.sleep(0.01)

        asyncio.run(asyncio.wait_for(serve(), 30))


class TestDocs:
    def test_without_key(self, anonymous: httpx.Client) -> None:
        page = anonymous.get("/docs").text
        assert "://" not in page  # it works where nothing but the service can be reached
        for path in re.findall(r'(?:href|src)="(/[^"]+)"', page):
            assert anonymous.get(path).status_code == 200
        assert anonymous.get("/openapi.json").status_code == 200

    def test_committed_description_is_current(self) -> None:
        assert openapi.main(["--check"]) == 0

    def test_every_operation_lists_problems(self, anonymous: httpx.Client) -> None:
        document = anonymous.get("/openapi.json").json()
        assert "ProblemDocument" in document["components"]["schemas"]
        for path, operations in document["paths"].items():
            for operation in operations.values():
                assert operation["operationId"].isidentifier()
                errors = [v for k, v in operation["responses"].items() if k >= "400"]
                assert errors or path == "/livez"
                for error in errors:
                    assert list(error["content"]) == ["application/problem+json"]


class TestProblems:
    def test_no_such_path(self, anonymous: httpx.Client) -> None:
        for path in ("/v1", "/v1/nothing", "/v1/models/"):
            assert "/docs" in problem(anonymous.get(path), 404, "not-found")["detail"]

    def test_no_such_method(self, ann: httpx.Client) -> None:
        answer = ann.put("/v1/models")
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET, HEAD, POST"
        assert ann.put("/v1/models/mdl_1").headers["allow"] == "DELETE, GET, HEAD, PATCH"
        assert ann.post("/openapi.json").headers["allow"] == "GET, HEAD"

    def test_unexpected_error(
        self,
        anonymous: httpx.Client,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(_: Services) -> str:
            raise ZeroDivisionError("a secret detail")

        monkeypatch.setattr(health, "_database", fail)
        answer = anonymous.get("/readyz", headers={"X-Request-Id": "mine-1"})
        body = problem(answer, 500, "internal")
        assert body["request_id"] == answer.headers["x-request-id"] == "mine-1"
        assert "secret" not in answer.text
        assert "a secret detail" in caplog.text
        assert anonymous.get("/livez").status_code == 200


class TestRequestId:
    def test_given(self, anonymous: httpx.Client) -> None:
        answer = anonymous.get("/livez", headers={"X-Request-Id": "abc-1"})
        assert answer.headers["x-request-id"] == "abc-1"

    @pytest.mark.parametrize("given", [None, "", "a b", "a" * 129])
    def test_made(self, anonymous: httpx.Client, given: str | None) -> None:
        headers = {} if given is None else {"X-Request-Id": given}
        made = [anonymous.get("/livez", headers=headers).headers["x-request-id"] for _ in "ab"]
        assert made[0].startswith("req_")
        assert made[0] != made[1]


def test_service_never_imports_torch() -> None:
    code = "import sys, service.app; sys.exit('torch' in sys.modules or 'worker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
