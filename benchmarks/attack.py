"""Attacks on the door of the API: half-sent requests, bodies without a key, slow bodies.

    python -m benchmarks.attack [--json]

Runs `narrows api` on loopback, with SQLite and the usual limit of 1,024 open files. While each
attack goes on, a client with a key asks once every tenth of a second; attackers and client have the
same address, which is the worst case. Memory is the server's resident set.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.polling import free_port

MB = 1_000_000
HALF = b"GET /livez HTTP/1.1\r\nHost: narrows\r\nX-Begun: yes\r\n"
FILES = 1024
"""Open files that most systems allow a process by default."""


@dataclass(frozen=True)
class Outcome:
    """What an attack did to the server and to another client; memory is in MB, time in ms."""

    attack: str
    asked: int
    answered: int
    median_ms: float
    worst_ms: float
    memory_before: float
    memory_most: float
    memory_after: float
    log_lines: int


@dataclass(frozen=True)
class Server:
    """A running `narrows api`."""

    process: psutil.Process
    port: int
    key: str
    log: Path

    def memory(self) -> float:
        return float(self.process.memory_info().rss) / MB

    def lines(self) -> int:
        return len(self.log.read_text().splitlines())


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Run `narrows api` in a folder; its log has warnings and errors."""
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-m", "narrows", "api", "--port", str(port)]
    limited = ["prlimit", f"--nofile={FILES}:", *command]
    environment = {"NARROWS_DATA": str(folder), "NARROWS_LOG_LEVEL": "WARNING"}
    with log.open("wb") as output:
        child = subprocess.Popen(limited, env={**_environment(), **environment}, stderr=output)
        try:
            _wait_for(f"http://127.0.0.1:{port}/readyz")
            key = (folder / "api-key").read_text().strip()
            yield Server(psutil.Process(child.pid), port, key, log)
        finally:
            child.terminate()
            child.wait()


def _environment() -> dict[str, str]:
    import os

    return {k: v for k, v in os.environ.items() if not k.startswith("NARROWS_")}


def _wait_for(url: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            if httpx.get(url).is_success:
                return
        time.sleep(0.1)
    raise SystemExit("The server did not start.")


Attack = Callable[[Server], AsyncIterator[bytes]]


async def half_sent(server: Server, writer: asyncio.StreamWriter) -> None:
    del server
    writer.write(HALF)


async def without_key(server: Server, writer: asyncio.StreamWriter) -> None:
    del server
    await _send_most(writer, "", chunked=False)


async def chunked_without_key(server: Server, writer: asyncio.StreamWriter) -> None:
    del server
    await _send_most(writer, "", chunked=True)


async def with_key(server: Server, writer: asyncio.StreamWriter) -> None:
    await _send_most(writer, f"Authorization: Bearer {server.key}\r\n", chunked=False)


async def _send_most(writer: asyncio.StreamWriter, header: str, *, chunked: bool) -> None:
    """Send a body of 1 MB but for its end."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {MB}"
    head = f"POST /v1/analyses HTTP/1.1\r\nHost: narrows\r\n{header}{length}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode())
    piece = b"x" * 50_000
    for _ in range(19):
        writer.write(b"c350\r\n" + piece + b"\r\n" if chunked else piece)
        await writer.drain()


ATTACKS = {
    "1,100 half-sent requests": (1100, half_sent),
    "1,200 bodies of 1 MB without a key": (1200, without_key),
    "the same, chunked": (1200, chunked_without_key),
    "200 bodies of 1 MB with a key": (200, with_key),
}


async def attack(server: Server, name: str, seconds: float) -> Outcome:
    count, send = ATTACKS[name]
    writers: list[asyncio.StreamWriter] = []

    async def one() -> None:
        with suppress(OSError):
            _, writer = await asyncio.wait_for(
                asyncio.open_connection("127.0.0.1", server.port), seconds
            )
            writers.append(writer)
            await asyncio.wait_for(send(server, writer), seconds)

    before, lines = server.memory(), server.lines()
    async with _watched(server) as most:
        attackers = [asyncio.create_task(one()) for _ in range(count)]
        await asyncio.sleep(1)
        times = await _ask(server, seconds)
        await asyncio.gather(*attackers, return_exceptions=True)
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(15)
    answered = [t for t in times if t is not None]
    return Outcome(
        attack=name,
        asked=len(times),
        answered=len(answered),
        median_ms=1000 * statistics.median(answered) if answered else float("nan"),
        worst_ms=1000 * max(answered, default=float("nan")),
        memory_before=before,
        memory_most=max(most),
        memory_after=server.memory(),
        log_lines=server.lines() - lines,
    )


async def _ask(server: Server, seconds: float) -> list[float | None]:
    """Ask as a client with a key, each time on a new connection; None is no answer within 5 s."""
    times: list[float | None] = []
    until = time.perf_counter() + seconds
    headers = {"Authorization": f"Bearer {server.key}"}
    while (began := time.perf_counter()) < until:
        async with httpx.AsyncClient(timeout=5, headers=headers) as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{server.port}/v1/models")
            except httpx.TransportError:
                times.append(None)
            else:
                times.append(time.perf_counter() - began if answer.is_success else None)
        await asyncio.sleep(0.1)
    return times


@asynccontextmanager
async def _watched(server: Server) -> AsyncIterator[list[float]]:
    """Yield the server's memory, several times a second."""
    seen = [server.memory()]

    async def watch() -> None:
        while True:
            seen.append(server.memory())
            await asyncio.sleep(0.05)

    task = asyncio.create_task(watch())
    yield seen
    task.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seconds", type=float, default=10, help="of each attack")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for the attackers
    for name in ATTACKS:
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
            outcome = asyncio.run(attack(server, name, options.seconds))
        if options.json:
            print(json.dumps(asdict(outcome)))
            continue
        print(
            f"{name}: {outcome.answered} of {outcome.asked} answered, "
            f"median {outcome.median_ms:.0f} ms, worst {outcome.worst_ms:.0f} ms; "
            f"{outcome.memory_before:.0f} MB, at most {outcome.memory_most:.0f}, "
            f"afterwards {outcome.memory_after:.0f}; {outcome.log_lines} lines of log",
            flush=True,
        )


if __name__ == "__main__":
    main()
