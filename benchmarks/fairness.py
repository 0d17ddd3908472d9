"""How long an owner waits while another one has queued hundreds of analyses, or many uploads.

    python -m benchmarks.fairness [--json] [--queued 500] [--uploads 20] [--workers 2] [--rounds 7]
    python -m benchmarks.fairness --postgres postgresql://postgres@127.0.0.1 --redis redis://127.0.0.1/9

Runs the whole service on loopback, in a temporary folder. Bob's small analysis is timed alone, then
while hundreds of Ann's wait, then alone again; and so is the inspection of his upload.
"""

import argparse
import json
import os
import secrets
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.orm import Session

from benchmarks.load import database, upload
from benchmarks.polling import at_once, free_port
from benchmarks.processes import running
from narrows.client import Client
from service.database.engine import make_engine
from service.keys.secrets import server_secret
from service.keys.service import create_key
from service.settings import Settings

SUBMITTERS = 4


@dataclass(frozen=True)
class Waits:
    """Medians in seconds of the same request, alone and while another owner has much queued."""

    alone: float
    meanwhile: float
    others: int
    """How many of the other owner's requests still waited when the last was measured."""

    @property
    def ratio(self) -> float:
        return self.meanwhile / self.alone


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def median(rounds: int, act: Callable[[], object]) -> float:
    return statistics.median(timed(act) for _ in range(rounds))


def analyses(ann: Client, bob: Client, folder: Path, options: argparse.Namespace) -> Waits:
    """Time Bob's small analysis, alone and while Ann's are queued."""
    hers, his = upload(ann, folder), upload(bob, folder)

    def small() -> None:
        bob.analyze(*his, max_samples=64)

    def ask() -> None:
        for _ in range(options.queued // SUBMITTERS):
            ann.analyses.create(model_id=hers[0], dataset_id=hers[1], max_samples=64)

    small()  # the first one starts a child
    before = median(options.rounds, small)
    at_once([ask] * SUBMITTERS)
    meanwhile = median(options.rounds, small)
    left = [*ann.analyses.list(state="queued")]
    for one in left:
        ann.analyses.cancel(one.id)
    while any(ann.analyses.list(state=state).first(1) for state in ("running", "planning")):
        time.sleep(0.2)
    after = median(options.rounds, small)
    return Waits(statistics.mean((before, after)), meanwhile, len(left))


def inspections(ann: Client, bob: Client, folder: Path, options: argparse.Namespace) -> Waits:
    """Time the inspection of Bob's upload, alone and while Ann's wait."""

    def small() -> None:
        file = shutil.copy(folder / "model.pt2", folder / f"{secrets.token_hex(4)}.pt2")
        bob.models.wait(bob.models.upload(file).id)

    alone = median(options.rounds, small)
    files = [shutil.copy(folder / "data.npz", folder / f"{n}.npz") for n in range(options.uploads)]
    hers = [ann.datasets.upload(file).id for file in files]  # of one name, there would be one
    meanwhile = timed(small)
    left = sum(ann.datasets.retrieve(one).state == "inspecting" for one in hers)
    return Waits(alone, meanwhile, left)


def key_of(owner: str, settings: Settings, session: Session) -> str:
    secret = server_secret(settings)
    _, key = create_key(secret, session, owner=owner, name="it", scopes=["read", "write"])
    return key


def measure(options: argparse.Namespace) -> dict[str, Waits]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        database(options.postgres) as database_url,
    ):
        secret = secrets.token_hex(16)
        settings = Settings(data=Path(name), database_url=database_url, secret=SecretStr(secret))
        with running(
            *("-m", "narrows", "up", "--port", str(port), "--workers", str(options.workers)),
            NARROWS_DATA=name,
            NARROWS_DATABASE_URL=database_url,
            NARROWS_BROKER_URL=options.redis or "",
            NARROWS_SECRET=secret,
            OMP_NUM_THREADS="1",
        ):
            while not (settings.data / "api-key").exists():
                time.sleep(0.1)
            engine = make_engine(settings.resolved_database_url)
            with Session(engine) as session, session.begin():
                keys = [key_of(owner, settings, session) for owner in ("ann", "bob")]
            engine.dispose()
            with Client(url, keys[0]) as ann, Client(url, keys[1]) as bob:
                arguments = ann, bob, settings.data, options
                return {"analysis": analyses(*arguments), "inspection": inspections(*arguments)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    parser.add_argument("--queued", type=int, default=500)
    parser.add_argument("--uploads", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--postgres", help="URL of a server, on which a database is created")
    parser.add_argument("--redis", help="URL of an empty Redis database")
    options = parser.parse_args()
    measured = measure(options)
    if options.json:
        print(json.dumps({name: {**asdict(w), "ratio": w.ratio} for name, w in measured.items()}))
        return
    print("| | alone, s | meanwhile, s | ratio | of the other owner still waiting |")
    print("| --- | --- | --- | --- | --- |")
    for name, waits in measured.items():
        seconds = f"{waits.alone:.2f} | {waits.meanwhile:.2f} | {waits.ratio:.1f} ×"
        print(f"| {name} | {seconds} | {waits.others} |")
    print(f"Load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
