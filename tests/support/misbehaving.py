"""A server that is asked over HTTP as the API is, and that misbehaves as a test says."""

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from narrows.comparison import compare

JSON = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request that came, with its whole body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Fault = Callable[["Handler"], None]
"""What happens to a request instead of an answer."""


@dataclass
class Misbehaving:
    """The server's state: what it was asked, what it has, and the faults that come next.

    It inspects at once, and its analyses stay as `analysis` says.
    """

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    models: list[JSON] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    analysis: JSON = field(default_factory=lambda: analysis_document())
    layers: list[JSON] = field(default_factory=list)
    plans: list[JSON] = field(default_factory=list)
    layers_of: dict[str, list[JSON]] = field(default_factory=dict)
    """The layers of analyses that have others than `layers`, by id."""
    over: threading.Event = field(default_factory=threading.Event)

    def posts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    def answer(self, asked: Asked) -> tuple[int, JSON]:
        path = urlsplit(asked.path).path.removeprefix("/v1/")  # a proxy is asked for the whole URL
        if asked.method == "POST":
            return 201, self._made(path, asked)
        kind, _, rest = path.partition("/")
        if not rest:
            listed = [self.analysis] if kind == "analyses" else self.models[::-1]
            return 200, {"items": listed, "next_page_token": None}
        if kind == "analyses":
            identity, _, name = rest.partition("/")
            layers = self.layers_of.get(identity, self.layers)
            results = {"layers": layers, "plans": self.plans, "artifacts": []}
            if name == "comparison":
                return self._comparison(
                    identity, parse_qs(urlsplit(asked.path).query)["against"][0]
                )
            if not name:
                return 200, self.analysis | {"id": identity}
            return 200, {"items": results[name], "next_page_token": None}
        return 200, upload_document(kind, rest)

    def _comparison(self, after: str, before: str) -> tuple[int, JSON]:
        if self.analysis["state"] != "succeeded":
            return 409, {"title": "No result yet", "detail": f"The analysis {after} is running."}
        changes = compare(self.layers_of[before], self.layers_of[after])
        both = {"before": self.analysis | {"id": before}, "after": self.analysis | {"id": after}}
        return 200, {**both, "differ": [], "changes": [change.to_dict() for change in changes]}

    def _made(self, path: str, asked: Asked) -> JSON:
        if path == "analyses":
            key = asked.headers["Idempotency-Key"]
            self.keys += [key] if key not in self.keys else []
            return self.analysis
        if path.endswith("/cancel"):
            self.analysis |= {"state": "cancelled", "cancel_requested": True}
            return self.analysis
        content = asked.body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
        sha256 = hashlib.sha256(content).hexdigest()
        made = upload_document(path, f"{len(self.models):024x}") | {"sha256": sha256}
        self.models.append(made)
        return made


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Misbehaving

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client has left
            self.close_connection = True

    def do_GET(self) -> None:
        fault = self.state.faults.pop(0) if self.state.faults else answer_well
        fault(self)

    do_POST = do_CONNECT = do_GET  # noqa: N815 - the name that the base class calls

    def read(self) -> Asked:
        """Take the whole request."""
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, dict(self.headers), body)
        self.state.asked.append(asked)
        return asked

    def reply(self, status: int, document: JSON, **headers: str) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def answer_well(handler: Handler) -> None:
    status, document = handler.state.answer(handler.read())
    handler.reply(status, document, ETag=f'"{document.get("state")}"')


def reset(handler: Handler) -> None:
    """Break the connection before the body is read."""
    handler.state.asked.append(Asked(handler.command, handler.path, dict(handler.headers), b""))
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True


def lose_the_answer(handler: Handler) -> None:
    """Do what was asked, and break the connection before the answer."""
    handler.state.answer(handler.read())
    handler.close_connection = True


def answer_too_late(handler: Handler) -> None:
    """Do what was asked, and do not answer while the test runs."""
    handler.state.answer(handler.read())
    handler.state.over.wait()
    handler.close_connection = True


def keep_and_lose(handler: Handler) -> None:
    """Take the request, as a proxy may, and do nothing while the test runs."""
    handler.read()
    handler.state.over.wait()
    handler.close_connection = True


def saying(status: int, **headers: str) -> Fault:
    """Answer with this status, as a proxy does."""

    def say(handler: Handler) -> None:
        handler.read()
        handler.reply(status, {"title": "Not now"}, **headers)

    return say


def analysis_document(**members: Any) -> JSON:
    return {
        "id": f"ana_{0:024x}", "state": "queued", "model_id": f"mdl_{0:024x}",
        "dataset_id": f"dst_{0:024x}", "name": None, "tags": [], "metadata": {},
        "request": {"pruning_ratio": 0.5, "cost": "structures", "build": []},
        "progress": {"stage": "queued", "done": 0, "total": 0, "seconds_left": None},
        "cancel_requested": False, "summary": None, "provenance": None, "error": None,
        "created_at": "2026-01-31T12:00:00Z", "started_at": None, "finished_at": None,
    } | members  # fmt: skip


def upload_document(kind: str, identity: str) -> JSON:
    prefix = {"models": "mdl_", "datasets": "dst_"}[kind]
    return {
        "id": identity if identity.startswith(prefix) else prefix + identity, "state": "ready",
        "name": "net.pt2", "filename": "net.pt2", "tags": [], "metadata": {},
        "sha256": "", "size": 1, "inspection": {"layers": [], "groups": []},
        "error": None, "created_at": "2026-01-31T12:00:00Z", "transform": {},
    }  # fmt: skip


@contextmanager
def misbehaving(port: int = 0) -> Iterator[Misbehaving]:
    """Run the server at a free port of this machine."""
    state = Misbehaving()
    handler = type("Bound", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            state.over.set()
            server.shutdown()
            thread.join()
