"""The proxy that comes with Docker Compose, as it is shipped, in front of a real server."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from narrows.client import Client
from tests.support.answers import created, problem
from tests.support.api_process import Api, serving
from tests.support.running import wait_until
from tests.support.servers import unreachable

SHIPPED = Path(__file__).parents[1] / "deploy" / "nginx" / "narrows.conf"


@contextmanager
def nginx(folder: Path, api: Api) -> Iterator[str]:
    """Run nginx with the shipped configuration, at another port and with a certificate for it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *name, *files]
    subprocess.run(command, check=True, capture_output=True)
    text = SHIPPED.read_text()
    for shipped, here in {
        "server api:8000;": f"server 127.0.0.1:{api.port};",
        "listen 8443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/nginx/tls": str(folder),
    }.items():
        assert shipped in text
        text = text.replace(shipped, here)
    (folder / "narrows.conf").write_text(text)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;"
        "events { worker_connections 1024; }"
        f"http {{ access_log off; include {folder}/narrows.conf; }}"
    )
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", "nginx.conf"])
    url = f"https://127.0.0.1:{port}"
    try:
        with trusting(folder, url) as client:
            wait_until(lambda: _answers(client))
        yield url
    finally:
        process.terminate()
        process.wait(30)


def trust(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / "fullchain.pem")


def trusting(folder: Path, url: str, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers=headers, verify=trust(folder), timeout=60)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        unreachable("nginx or openssl")
    limits = {"max_connections_per_address": 2, "stall_seconds": 2, "max_upload_bytes": 10_000_000}
    with serving(tmp_path_factory.mktemp("api"), **limits, trusted_proxies="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nginx")


@pytest.fixture(scope="module")
def url(api: Api, folder: Path) -> Iterator[str]:
    with nginx(folder, api) as running:
        yield running


@pytest.fixture
def client(api: Api, folder: Path, url: str) -> Iterator[httpx.Client]:
    with trusting(folder, url, Authorization=f"Bearer {api.key}") as client:
        yield client


def test_large_uploads_and_event_streams(client: httpx.Client) -> None:
    ids = {
        f"{kind}_id": created(client.post(f"/v1/{kind}s", files={"file": bytes(5_000_000)}))["id"]
        for kind in ("model", "dataset")
    }
    path = f"/v1/analyses/{created(client.post('/v1/analyses', json=ids))['id']}"
    with client.stream("GET", f"{path}/events") as stream:  # it goes on, but says something at once
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert "created" in next(lines) + next(lines)
    assert client.get(path, headers={"Prefer": "wait=1"}).json()["state"] == "queued"


def test_the_client_of_the_library(
    api: Api, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "fullchain.pem"))
    with Client(url, api.key) as client:
        assert [*client.workers.list()] == []


def test_who_has_no_key_is_told_before_the_body(url: str, folder: Path) -> None:
    def body() -> Iterator[bytes]:
        while True:
            yield bytes(50_000)

    with trusting(folder, url) as client:
        problem(client.post("/v1/models", content=body()), 401, "unauthorized")


def test_too_large_and_too_slow_bodies(
    client: httpx.Client, api: Api, url: str, folder: Path
) -> None:
    problem(client.post("/v1/models", files={"file": bytes(10_000_001)}), 413, "too-large")
    address = "127.0.0.1", int(url.rpartition(":")[2])
    with (
        socket.create_connection(address, 60) as raw,
        trust(folder).wrap_socket(raw, server_hostname="127.0.0.1") as sent,
    ):
        head = f"POST /v1/models HTTP/1.1\nHost: x\nAuthorization: Bearer {api.key}\n"
        form = "Content-Type: multipart/form-data; boundary=b\nContent-Length: 500\n\n--b"
        sent.sendall((head + form).replace("\n", "\r\n").encode())
        with closing(sent.makefile("rb")) as stream:
            assert stream.readline().split()[1] == b"408"


def test_the_address_is_the_clients(client: httpx.Client, api: Api) -> None:
    headers = {"X-Request-Id": "req-proxied", "X-Forwarded-For": "192.0.2.66"}
    assert client.get("/livez", headers=headers).is_success
    wait_until(lambda: any(line.get("request_id") == "req-proxied" for line in api.log()))
    found = {line["address"] for line in api.log() if line.get("request_id") == "req-proxied"}
    assert found == {"127.0.0.1"}


def test_an_api_that_is_away(client: httpx.Client, api: Api) -> None:
    """It ends the server, so it comes last."""
    api.process.terminate()
    wait_until(lambda: not _answers(client))
    answer = client.get("/livez")
    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
