"""A running service, spoken to over HTTP, and what a worker would have left in its database."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.app import create_app
from service.broker.celery_app import make_celery
from service.database.base import Base
from service.database.engine import close, make_engine
from service.database.tables import Analysis, Event, Layer, Plan, Structure
from service.keys.secrets import Scope, server_secret
from service.keys.service import create_key
from service.metrics import Metrics
from service.settings import Settings
from tests.support.answers import Client, created
from tests.support.quick_server import served


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = make_engine(settings.resolved_database_url)
    yield engine
    close(engine)


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """The application, which reads its settings when it starts; to make its routes takes longer."""
    return create_app()


@pytest.fixture
def works_without_requests() -> bool:
    """Whether the service also collects what is due, and sends webhooks; few tests are about it."""
    return False


@pytest.fixture
def server(
    app: FastAPI,
    settings: Settings,
    works_without_requests: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """The URL of a service that runs in a thread."""
    app.state.settings, app.state.metrics = settings, Metrics()
    if not works_without_requests:
        monkeypatch.setattr("service.app._without_requests", lambda _: nullcontext())
    with served(app) as url:
        yield url


@pytest.fixture
def client_of(server: str, settings: Settings, engine: Engine) -> Iterator[Client]:
    """Make clients: `client_of("ann")`, with fewer scopes, or `client_of(None)` without a key."""
    clients = []

    def make(owner: str | None, scopes: tuple[Scope, ...] = ("read", "write")) -> httpx.Client:
        headers = {}
        if owner is not None:
            with Session(engine) as session, session.begin():
                _, key = create_key(
                    server_secret(settings), session, owner=owner, name="test", scopes=scopes
                )
            headers["Authorization"] = f"Bearer {key}"
        clients.append(
            httpx.Client(base_url=server, headers=headers, timeout=30, verify=False)
        )  # reading certificates for each client takes longer than a request
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def ann(client_of: Client) -> httpx.Client:
    """Whoever owns what the test is about."""
    return client_of("ann")


@pytest.fixture
def admin(client_of: Client) -> httpx.Client:
    """Whoever runs the service."""
    return client_of("operator", ("admin",))


@pytest.fixture
def bob(client_of: Client) -> httpx.Client:
    """Another owner."""
    return client_of("bob")


@pytest.fixture
def anonymous(client_of: Client) -> httpx.Client:
    return client_of(None)


@pytest.fixture
def alter(engine: Engine) -> Callable[..., None]:
    """Change columns of a row, as a worker does: `alter(Model, id, state="ready")`."""

    def change(table: type[Base], identity: str, **columns: Any) -> None:
        with Session(engine) as session, session.begin():
            row = session.get_one(table, identity)
            for name, value in columns.items():
                setattr(row, name, value)

    return change


@pytest.fixture
def model(ann: httpx.Client) -> dict[str, Any]:
    return created(ann.post("/v1/models", files={"file": ("m.pt2", b"a model")}))


@pytest.fixture
def dataset(ann: httpx.Client) -> dict[str, Any]:
    return created(ann.post("/v1/datasets", files={"file": ("d.npz", b"a dataset")}))


@pytest.fixture
def analysis(ann: httpx.Client, model: dict[str, Any], dataset: dict[str, Any]) -> dict[str, Any]:
    body = {"model_id": model["id"], "dataset_id": dataset["id"]}
    return created(ann.post("/v1/analyses", json=body))


@pytest.fixture
def succeed(engine: Engine) -> Callable[[str], None]:
    """Give an analysis the results that a worker would."""

    def finish(identity: str) -> None:
        layer = {
            "op": "conv2d", "group": 2, "width": 6, "parameters": 60, "macs": 600,
            "pruning_ratio": 0.0, "interval": [0.0, 0.17], "p_value": 0.004, "score": -2.5,
            "verdict": "bottleneck", "reason": None, "sweep": [[0.05, 0.0], [0.5, 0.1]],
        }  # fmt: skip
        of = {"analysis_id": identity}
        edit = {"module": "conv1", "attribute": "out_channels", "from": 6, "to": 12}
        widened = {"name": "conv1", "width": 6, "new_width": 12, "edits": [edit]}
        with Session(engine) as session, session.begin():
            session.add_all(Layer(**of, index=i, name=f"conv{i}", **layer) for i in range(3))
            session.add_all(
                Structure(
                    **of, index=i, group=2, channel=i, saliency=0.1 * i, first_order=0.0,
                    second_order=0.1 * i, rank=i, members=[["conv1", i]],
                )
                for i in range(5)
            )  # fmt: skip
            session.add(
                Plan(
                    **of, index=0, name="double", layers=[widened], parameters=[10, 20],
                    macs=[100, 200], artifact=None,
                )
            )  # fmt: skip
            row = session.get_one(Analysis, identity)
            row.state, row.shards = "succeeded", 8
            row.summary = {"loss": 0.21, "bottlenecks": ["conv1"]}
            session.add(Event(**of, kind="state", data={"state": "succeeded"}))

    return finish


@pytest.fixture
def waiting(settings: Settings) -> Callable[[str], int]:
    """Count the messages in a queue."""
    app = make_celery(settings)

    def count(queue: str) -> int:
        with app.connection_for_read() as connection:
            size: int = connection.default_channel._size(queue)
            return size

    return count
