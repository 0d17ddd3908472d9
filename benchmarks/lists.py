"""What a page of a list costs, by its filters, where an owner has many analyses.

    python -m benchmarks.lists [--analyses 100000] [--rounds 5]
    python -m benchmarks.lists --postgres postgresql://postgres@127.0.0.1

Fills a new database, and asks it for the first page as the API does. What has the rare tag, or the
commit, is among the oldest.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from benchmarks.load import database
from service.database.engine import READS_ONLY, make_engine
from service.database.migrate import upgrade
from service.database.tables import ANALYSES, Analysis, Dataset, Model
from service.jobs.repository import JobRepository
from service.naming.filters import JobFilters
from service.settings import Settings

OWNER: Final = "ann"
PAGE: Final = 51
"""The rows that a page of 50 asks for."""
AT_ONCE: Final = 5000
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
RARE: Final = 100
"""How many analyses have the rare tag."""

FILTERS: Final[Mapping[str, dict[str, Any]]] = {
    "none": {},
    "tag of a tenth": {"tag": ("nightly",)},
    f"tag of {RARE}": {"tag": ("release",)},
    "tag of none": {"tag": ("never",)},
    "metadata of one": {"metadata": ("git_commit=c0000003",)},
    "metadata of none": {"metadata": ("git_commit=never",)},
    "text of a tenth": {"q": "nightly"},
    "text of none": {"q": "never"},
    "state of none": {"state": "failed"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--analyses", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgres", metavar="URL", help="default: SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(options.postgres) as url:
        settings = Settings(
            data=Path(folder), database_url=url, secret=SecretStr("benchmarks.lists")
        )
        upgrade(settings)
        engine = make_engine(settings.resolved_database_url)
        fill(engine, options.analyses)
        for name, fields in FILTERS.items():
            taken = milliseconds(engine, JobFilters(**fields), options.rounds)
            print(f"{name:20}{taken:10,.1f} ms")
        engine.dispose()


def milliseconds(engine: Engine, filters: JobFilters, rounds: int) -> float:
    """Return the median time of the first page of the owner's analyses."""
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        with Session(engine.execution_options(**READS_ONLY)) as session:
            JobRepository(session, ANALYSES).page(OWNER, filters, None, PAGE)
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times[1:])


def fill(engine: Engine, count: int) -> None:
    """Add an owner with a model, a dataset and so many analyses that have succeeded."""
    upload = {
        "owner": OWNER, "name": "resnet18", "filename": "resnet18.pt2", "sha256": "0" * 64,
        "size": 1, "state": "ready", "created_at": BEGIN, "uploaded_at": BEGIN,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(Model).values(id="mdl_0", **upload))
        connection.execute(insert(Dataset).values(id="dst_0", transform={}, **upload))
        for begin in range(0, count, AT_ONCE):
            rows = [analysis(index) for index in range(begin, min(begin + AT_ONCE, count))]
            connection.execute(insert(Analysis), rows)
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def analysis(index: int) -> dict[str, Any]:
    """Return the columns of an analysis, of a usual size."""
    tags = ["nightly"] if index % 10 == 0 else ["experiment"]
    layers = [f"layer{i}.conv{j}" for i in range(1, 5) for j in range(1, 5)]
    return {
        "id": f"ana_{index:024x}",
        "owner": OWNER,
        "name": f"resnet18 {index}",
        "state": "succeeded",
        "model_id": "mdl_0",
        "dataset_id": "dst_0",
        "tags": [*tags, "release"] if index < RARE else tags,
        "metadata_": {"git_commit": f"c{index:07}", "epochs": 30, "run_id": f"{index:032x}"},
        "request": {"pruning_ratio": 0.5, "exclude": layers, "plans": ["double", "uniform"]},
        "summary": {"bottlenecks": layers[:3], "removals": [
            {"ratio": k / 10, "loss": 0.2 + k / 7, "accuracy": 0.9 - k / 13} for k in range(1, 10)
        ]},
        "provenance": {"seed": 0, "model_sha256": "0" * 64, "torch": "2.13.0", "layers": layers},
        "created_at": BEGIN + timedelta(seconds=index),
        "finished_at": BEGIN + timedelta(seconds=index + 60),
    }  # fmt: skip


if __name__ == "__main__":
    main()
