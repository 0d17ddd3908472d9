"""First paint: how long Chromium waits for the page of a report, and how large it is.

    python -m benchmarks.first_paint [--layers 4 40 400] [--rounds 5]

Runs the API on loopback in a temporary folder, with the findings that the tests report. Needs
Debian's package `chromium-headless-shell`. The goal: 2 MB and 1 s at 400 layers.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page
from sqlalchemy.orm import Session

from benchmarks.polling import free_port
from benchmarks.processes import running
from service.database.base import new_id
from service.database.engine import make_engine
from service.database.migrate import upgrade
from service.database.tables import Analysis, Dataset, Layer, Model, Plan, Structure
from service.keys.service import LOCAL_OWNER, ensure_local_key
from service.settings import Settings
from tests.support.browsers import launched
from tests.support.reports import findings
from tests.support.running import answers, wait_until

PAINT = """() => new Promise((tell) => {
    new PerformanceObserver((list) => {
        for (const entry of list.getEntriesByName("first-contentful-paint")) tell(entry.startTime);
    }).observe({ type: "paint", buffered: true });
})"""


def insert(session: Session, layers: int) -> str:
    """Insert an analysis of so many layers that succeeded, and return its id."""
    told = findings(layers)
    common = {"owner": LOCAL_OWNER, "state": "ready", "sha256": "0" * 64, "size": 1}
    model = Model(id=new_id("mdl"), name="net.pt2", filename="net.pt2", **common)
    dataset = Dataset(
        id=new_id("dst"), name="data.npz", filename="data.npz", transform={}, **common
    )
    identity = new_id("ana")
    session.add_all([model, dataset])
    session.flush()
    session.add(
        Analysis(
            id=identity, owner=LOCAL_OWNER, model_id=model.id, dataset_id=dataset.id,
            request={"pruning_ratio": 0.5}, state="succeeded", summary=dict(told.summary),
            provenance=dict(told.provenance),
        )
    )  # fmt: skip
    session.flush()
    session.add_all(
        Layer(analysis_id=identity, index=index, **row) for index, row in enumerate(told.rows)
    )
    session.add_all(_structures(identity, told.rows, told.saliencies))
    session.add_all(
        Plan(analysis_id=identity, index=index, **{**plan, "artifact": None})
        for index, plan in enumerate(told.plans)
    )
    return identity


def _structures(identity: str, rows: Sequence[Any], saliencies: Any) -> list[Structure]:
    groups: dict[int, list[Any]] = {}
    for row in rows:
        if row["group"] is not None:
            groups.setdefault(row["group"], []).append(row)
    made: list[Structure] = []
    for group, members in groups.items():
        for channel, saliency in enumerate(saliencies[members[0]["name"]]):
            of = [[row["name"], channel] for row in members]
            made.append(
                Structure(
                    analysis_id=identity, index=len(made), group=group, channel=channel,
                    saliency=saliency, rank=len(made), members=of,
                )
            )  # fmt: skip
    return made


def paints(browser: Browser, url: str, key: str, path: str, rounds: int) -> tuple[float, int]:
    """Return the median time to the first paint, in milliseconds, and the bytes of the page."""
    page: Page = browser.new_page()
    page.goto(url + path)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{path}")
    times, size = [], 0
    for _ in range(rounds):
        answer = page.goto(url + path)
        assert answer is not None
        size = len(answer.body())
        times.append(float(page.evaluate(PAINT)))
    return median(times), size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=[4, 40, 400])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        upgrade(settings)
        engine = make_engine(settings.resolved_database_url)
        with Session(engine) as session, session.begin():
            key, _ = ensure_local_key(settings, session)
            ids = [insert(session, layers) for layers in asked.layers]
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        api = ("-m", "narrows", "api", "--port", str(port))
        with running(*api, NARROWS_DATA=folder), launched() as browser:
            wait_until(lambda: answers(url))
            for layers, identity in zip(asked.layers, ids, strict=True):
                first = f"/analyses/{identity}"
                for path in (first, f"{first}/layers/0", "/analyses"):
                    milliseconds, size = paints(browser, url, key, path, asked.rounds)
                    name = path.replace(identity, "{id}")
                    print(f"{layers:4} layers  {name:25} {milliseconds:6.0f} ms {size:9,} bytes")


if __name__ == "__main__":
    main()
