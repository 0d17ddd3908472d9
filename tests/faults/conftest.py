"""One running service for each pair of servers, and what every test of it ends with."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.faults.figures import FIGURE, Say
from tests.support.faults.job import BATCH, Job, Jobs
from tests.support.faults.records import Records
from tests.support.faults.servers import postgres_server, redis_server, small_disk
from tests.support.faults.site import PATIENCE, Pair, Site
from tests.support.jobs import wait_until
from worker.cli.export import export_module

DISK_MEBIBYTES = 48
SHARDS = 100


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def say(request: pytest.FixtureRequest, site: Site) -> Say:
    """Print a figure at the end of the run."""

    def add(line: str) -> None:
        node: pytest.Item = request.node
        node.user_properties.append((FIGURE, f"{site.pair.name:<20} {line}"))

    return add


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny network and its data: as many batches as there should be shards."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(6 * 16, 8), nn.ReLU(), nn.Linear(8, 4),
    )  # fmt: skip
    export_module(network, (torch.zeros(2, 1, 6, 6),), folder / "model.pt2")
    rng = np.random.default_rng(0)
    x = rng.random((BATCH * SHARDS, 1, 6, 6), np.float32)
    np.savez(folder / "data.npz", x=x, y=rng.integers(0, 4, len(x)))
    return folder


@pytest.fixture(scope="session", params=["SQLite + folder", "PostgreSQL + Redis"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with ExitStack() as stack:
        if request.param.startswith("SQLite"):
            yield Pair(request.param)
        else:
            postgres = stack.enter_context(postgres_server())
            yield Pair(request.param, postgres, stack.enter_context(redis_server()))


@pytest.fixture(scope="session")
def whole_site(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service on a small disk of its own, if that can be had."""
    folder = tmp_path_factory.mktemp("site")
    data = folder / "data"
    data.mkdir()
    with small_disk(data, DISK_MEBIBYTES) as small, (folder / "log").open("wb") as log:
        site = Site(pair, data, log, small_disk=small)
        try:
            site.start_api()
            site.start_workers()
            yield site
        finally:
            site.close()


@pytest.fixture(scope="session")
def all_jobs(whole_site: Site, files: Path) -> Jobs:
    return Jobs(whole_site, Records(whole_site.engine, whole_site.data), *whole_site.upload(files))


@pytest.fixture(scope="session")
def undisturbed(all_jobs: Jobs) -> Job:
    """A job that nothing happened to."""
    job = all_jobs.submit()
    job.succeeds()
    assert job.shards == SHARDS
    return job


@pytest.fixture
def site(whole_site: Site) -> Site:
    return whole_site


@pytest.fixture
def jobs(all_jobs: Jobs, undisturbed: Job, site: Site) -> Iterator[Jobs]:
    """Jobs to disturb; in the end nothing is stuck, leaked or orphaned."""
    yield all_jobs
    wait_until(lambda: not site.orphans(), PATIENCE)
    assert all_jobs.records.disorder() == []
