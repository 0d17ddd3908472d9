"""What was answered outlives the API, however it ends, and the client outlives that."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from narrows.client.limits import Limits
from narrows.client.synchronous.connection import Connection
from narrows.client.synchronous.parts import upload_in_parts
from tests.support.command_line import started
from tests.support.jobs import wait_until

pytestmark = pytest.mark.faults

PART = 1 << 20
COUNT = 30


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").is_success
    except httpx.TransportError:
        return False


def test_killed_amid_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, file = tmp_path / "data", tmp_path / "net.pt2"
    content = os.urandom(COUNT * PART + 1)
    file.write_bytes(content)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    acknowledged: list[int] = []
    enough = threading.Event()
    send = Connection.send_once

    def noting(self: Connection, method: str, path: str, **request: Any) -> httpx.Response:
        answer = send(self, method, path, **request)
        if method == "PUT":
            acknowledged.append(int(path.rpartition("/")[2]))
            if len(acknowledged) >= COUNT // 3:
                enough.set()
        return answer

    monkeypatch.setattr(Connection, "send_once", noting)
    with ThreadPoolExecutor(1) as threads:
        with started(data, "api", "--port", port) as api:
            wait_until(lambda: answers(port))
            key = (data / "api-key").read_text().strip()
            connection = Connection(httpx.URL(f"http://127.0.0.1:{port}"), key, Limits())
            declared = {"kind": "model", "name": file.name, "part_size": PART}
            uploading = threads.submit(upload_in_parts, connection, declared, {}, file, None)
            enough.wait(60)
            api.kill()
            api.wait()
        time.sleep(0.1)  # what was answered before the end is noted
        known, sent = set(acknowledged), len(acknowledged)
        assert len(known) < COUNT
        with started(data, "api", "--port", port):
            wait_until(lambda: answers(port))
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}/v1",
                headers={"Authorization": f"Bearer {key}"},
                timeout=30,
            ) as http:
                (session,) = http.get("/uploads").json()["items"]
                received = http.get(f"/uploads/{session['id']}").json()["received"]
            assert known <= set(received)
            model = uploading.result(60)
            connection.http.close()
    assert len(acknowledged) - sent <= COUNT + 1 - sent
    stored = data / "files" / model["sha256"][:2] / model["sha256"]
    assert stored.read_bytes() == content
