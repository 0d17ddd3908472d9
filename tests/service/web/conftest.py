"""What browsers send, without a browser, and what pages show of a trial."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.database.tables import File, Layer
from service.database.trials import Trial, TrialArtifact, TrialEvent, TrialRun
from tests.support.answers import created

Browse = Callable[[httpx.Client], httpx.Client]


def key_of(client: httpx.Client) -> str:
    """Return the key that a client of the API sends."""
    return client.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # the answers don't depend on it


@pytest.fixture
def browse(server: str) -> Iterator[Browse]:
    """Sign in with the key of a client of the API; the new client sends forms as pages do."""
    clients = []

    def sign_in(api: httpx.Client) -> httpx.Client:
        headers = {"Accept": "text/html", "Origin": server}
        clients.append(httpx.Client(base_url=server, headers=headers, timeout=30))
        answer = clients[-1].post("/sign-in", data={"key": key_of(api)})
        assert answer.status_code == 303
        return clients[-1]

    yield sign_in
    for client in clients:
        client.close()


@pytest.fixture
def trial(
    ann: httpx.Client, analysis: dict[str, Any], succeed: Callable[[str], None]
) -> dict[str, Any]:
    """A trial of the plans of an analysis that has succeeded."""
    succeed(analysis["id"])
    return created(ann.post("/v1/trials", json={"analysis_id": analysis["id"]}))


@pytest.fixture
def train(engine: Engine) -> Callable[[str], None]:
    """Give a trial the results that a worker would: `double` gained less than was expected."""

    def mean(value: float, low: float, high: float) -> dict[str, Any]:
        return {"value": value, "interval": [low, high], "count": 3}

    def variant(name: str, parameters: int, **gains: Any) -> dict[str, Any]:
        nothing = dict.fromkeys(("accuracy", "gain", "accuracy_gain"))
        row: dict[str, Any] = {"name": name, "parameters": parameters, "macs": 900, "errors": {}}
        return row | nothing | {"loss": mean(0.3, 0.2, 0.4)} | gains

    def finish(identity: str) -> None:
        of = {"trial_id": identity}
        kinds = {"original": "original", "double": "plan", "double.expand_prune": "expand_prune"}
        sizes = {"original": 1000, "double": 1200, "double.expand_prune": 1000}
        with Session(engine) as session, session.begin():
            row = session.get_one(Trial, identity)
            layer = session.get_one(Layer, (row.analysis_id, 1))
            expected = {"parameters": {"gain": 0.002, "interval": [0.001, 0.006]}, "macs": None}
            layer.expected_gain = expected
            row.planned = {
                "variants": [
                    {"name": name, "kind": kind, "plan": "double", "parameters": sizes[name]}
                    for name, kind in kinds.items()
                ]
            }
            row.state, row.runs, row.steps = "succeeded", 3, 40
            row.summary = {
                "variants": [
                    variant("original", 1000),
                    variant("double", 1200, gain=mean(0.01, 0.004, 0.016)),
                    variant("double.expand_prune", 1000, gain=mean(-0.01, -0.03, 0.01)),
                ],
                "left_out": {"advise": "<it> is the original: no width changes"},
                "put_back": [{"module": "bn1", "op": "batch_norm", "what": "takes the batch's"}],
                "remark": "What the export has removed can't be known.",
            }
            row.provenance = {"threads": 1, "torch": "2.13.0"}
            session.add(File(sha256="ab" * 32, size=9))
            session.flush()
            file = {"name": "run-1.pt2", "sha256": "ab" * 32, "size": 9}
            session.add(TrialArtifact(**of, index=1, **file))
            for index, name in enumerate(kinds):
                run = {"variant": name, "seed": 0, "artifact": f"run-{index}.pt2"}
                ended = {"state": "done", "step": 40, "loss": 0.3, "accuracy": 0.9}
                session.add(TrialRun(**of, index=index, **run, **ended))
            session.add(TrialEvent(**of, kind="state", data={"state": "succeeded"}))

    return finish
