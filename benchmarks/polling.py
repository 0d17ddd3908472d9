"""Clients that poll as fast as they can, and a bare Starlette route to compare with."""

import http.client
import multiprocessing
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.processes import running


@dataclass(frozen=True)
class Polls:
    """The rate and the latencies of polls by clients that poll as fast as they can."""

    per_second: float
    p50_ms: float
    p99_ms: float


def poll(port: int, path: str, key: str, clients: int, seconds: float) -> Polls:
    """Poll with `clients` threads for `seconds`; return the rate and the latencies.

    The threads are in a separate process, so that the work of this one does not slow them down.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        latencies = pool.apply(_poll, (port, path, key, clients, seconds))
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return Polls(len(latencies) / seconds, float(p50), float(p99))


def _poll(port: int, path: str, key: str, clients: int, seconds: float) -> list[float]:
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while (began := time.perf_counter()) < until:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            latencies.append(time.perf_counter() - began)

    at_once([client] * clients)
    return latencies


def at_once(calls: list[Callable[[], None]]) -> None:
    """Make all calls at once, in threads; raise the error of one that failed."""
    with ThreadPoolExecutor(len(calls)) as threads:
        for future in [threads.submit(call) for call in calls]:
            future.result()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def ceiling(size: int, clients: int, seconds: float) -> Polls:
    """Poll a bare Starlette route whose response has `size` bytes."""
    port = free_port()
    with running("-m", "benchmarks.polling", str(port), str(size)):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        return poll(port, "/", "none", clients, seconds)


def serve_bare_route(port: int, size: int) -> None:
    """Answer every GET with JSON of `size` bytes."""

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse("x" * size)

    uvicorn.run(Starlette(routes=[Route("/", answer)]), port=port, log_config=None)


if __name__ == "__main__":
    serve_bare_route(*map(int, sys.argv[1:]))
