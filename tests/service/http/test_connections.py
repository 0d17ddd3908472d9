"""Clients that are slow, too many or without a key, at a real server; nothing is asked of time."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.answers import created, problem
from tests.support.api_process import Api, serving
from tests.support.running import wait_until

DOCUMENT = json.loads((Path(__file__).parents[3] / "openapi.json").read_text())
BODIES = [
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if "requestBody" in operation
]
MANY = 1100


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    short = {"header_seconds": 1, "stall_seconds": 1, "idle_seconds": 1}
    with serving(tmp_path_factory.mktemp("api"), **short, max_upload_bytes=1000) as running:
        yield running


def answer(raw: socket.socket) -> httpx.Response | None:
    """Read until the server closes; return its first answer, if there is any."""
    received = b""
    with raw, closing(raw.makefile("rb")) as stream:
        try:
            while piece := stream.read1():
                received += piece
        except ConnectionResetError:
            pass
    if not received:
        return None
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)  # type: ignore[arg-type]


def closed_with(raw: socket.socket, status: int, slug: str) -> None:
    response = answer(raw)
    assert response is not None
    problem(response, status, slug)
    assert response.headers["connection"] == "close"


def upload(api: Api) -> str:
    with api.client() as client:
        return str(created(client.post("/v1/models", files={"file": b"x"}))["id"])


class TestSlow:
    def test_headers(self, api: Api) -> None:
        closed_with(api.send("GET /livez HTTP/1.1\nHost: x\n"), 408, "too-slow")

    def test_nothing_at_all(self, api: Api) -> None:
        assert answer(api.send("")) is None

    def test_the_next_request(self, api: Api) -> None:
        response = answer(api.send("GET /livez HTTP/1.1\nHost: x\n\n"))
        assert response is not None
        assert response.json() == {"status": "ok"}

    @pytest.mark.parametrize("path", ["/v1/analyses", "/v1/models"])
    def test_body(self, api: Api, path: str) -> None:
        head = f"POST {path} HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\n"
        form = "Content-Type: multipart/form-data; boundary=b\nContent-Length: 500\n\n--b"
        closed_with(api.send(head + form), 408, "too-slow")
        assert [file for file in (api.data / "files").rglob("*") if file.is_file()] == []

    def test_taking_the_answer(self, api: Api) -> None:
        raw = api.send("GET /openapi.json HTTP/1.1\nHost: x\n\n" * 200)
        port = raw.getsockname()[1]
        with raw:
            wait_until(lambda: port not in api.connected())


class TestWithoutKey:
    @pytest.mark.parametrize(("method", "path"), BODIES)
    @pytest.mark.parametrize("size", ["Content-Length: 900000", "Transfer-Encoding: chunked"])
    def test_the_answer_comes_before_the_body(
        self, api: Api, method: str, path: str, size: str
    ) -> None:
        head = f"{method} {path} HTTP/1.1\nHost: x\nContent-Type: application/json\n{size}\n\n"
        closed_with(api.send(head), 401, "unauthorized")

    def test_bodies_take_no_memory(self, api: Api) -> None:
        before = api.process.memory_info().rss
        most = before
        head = "POST /v1/analyses HTTP/1.1\nHost: x\nContent-Length: 1000000\n\n"
        with ExitStack() as stack:
            for _ in range(250):
                raw = stack.enter_context(api.send(head))
                raw.settimeout(0.05)
                with suppress(OSError):  # the server has stopped reading, or closed
                    raw.sendall(b"x" * 999_999)
                most = max(most, api.process.memory_info().rss)
        assert most - before < 60 << 20  # and not 250 MB


class TestTooLarge:
    def test_chunked_json(self, api: Api) -> None:
        def body() -> Iterator[bytes]:
            for _ in range(40):
                yield b" " * 50_000

        with api.client(**{"Content-Type": "application/json"}) as client:
            problem(client.post("/v1/analyses", content=body()), 413, "too-large")

    def test_json_by_its_own_account(self, api: Api) -> None:
        head = "POST /v1/analyses HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\n"
        closed_with(api.send(f"{head}Content-Length: 2000000\n\n"), 413, "too-large")

    def test_chunked_around_the_file(self, api: Api) -> None:
        def body() -> Iterator[bytes]:
            for _ in range(40):
                yield b"before the first boundary" * 2000

        with api.client(**{"Content-Type": "multipart/form-data; boundary=b"}) as client:
            problem(client.post("/v1/models", content=body()), 413, "too-large")

    def test_a_body_that_nobody_reads(self, api: Api) -> None:
        head = "GET /livez HTTP/1.1\nHost: x\nContent-Length: 2000000\n\n"
        response = answer(api.send(head + "x" * 100_000))
        assert response is not None
        assert (response.status_code, response.headers["connection"]) == (200, "close")


class TestMany:
    def test_half_sent_requests_keep_nobody_out(self, api: Api) -> None:
        with ExitStack() as stack:
            for _ in range(MANY):
                stack.enter_context(api.send("GET /livez HTTP/1.1\nHost: x\nX-Begun: 1\n"))
            with api.client() as client:  # of the same address
                for _ in range(5):
                    assert client.get("/v1/models").is_success
        assert len(api.warnings()) <= 5

    def test_what_is_no_http(self, api: Api) -> None:
        for _ in range(50):
            closed_with(api.send("HELO narrows\n\n"), 400, "bad-request")
        assert len([line for line in api.warnings() if "Invalid HTTP" in line]) <= 1


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    limits = {"max_connections": 4, "max_connections_per_address": 3}
    with serving(
        tmp_path_factory.mktemp("small"), **limits, trusted_proxies="127.0.0.9, 10.0.0.0/8"
    ) as running:
        yield running


class TestAllAtWork:
    def test_of_an_address_and_in_all(self, small: Api) -> None:
        body = {"model_id": upload(small)}
        with small.client() as client:
            dataset = created(client.post("/v1/datasets", files={"file": b"x"}))["id"]
            analysis = created(client.post("/v1/analyses", json={**body, "dataset_id": dataset}))
        path = f"/v1/analyses/{analysis['id']}/events"
        with ExitStack() as stack:

            def stream(address: str) -> None:
                client = stack.enter_context(small.client(address))
                lines: Any = stack.enter_context(client.stream("GET", path)).iter_lines()
                next(lines)
                stack.callback(lines.close)

            def refused(address: str, status: int, slug: str) -> None:
                with small.client(address) as client:
                    response = client.get("/livez")
                problem(response, status, slug)
                assert int(response.headers["retry-after"]) > 0

            for _ in range(3):
                stream("127.0.0.1")
            refused("127.0.0.1", 429, "too-many-requests")
            stream("127.0.0.2")
            refused("127.0.0.3", 503, "unavailable")

    def test_whose_word_on_the_address_counts(self, small: Api) -> None:
        def logged(address: str, forwarded: str) -> str:
            name = f"req-{address}"
            headers = {"X-Forwarded-For": forwarded, "X-Request-Id": name}
            with small.client(address, **headers) as client:
                assert client.get("/livez").is_success
            wait_until(lambda: any(line.get("request_id") == name for line in small.log()))
            (line,) = (line for line in small.log() if line.get("request_id") == name)
            return str(line["address"])

        assert logged("127.0.0.5", "192.0.2.1") == "127.0.0.5"
        assert logged("127.0.0.9", "192.0.2.66, 192.0.2.1, 10.1.1.1") == "192.0.2.1"
