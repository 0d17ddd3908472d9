"""What browsers send, without a browser."""

from collections.abc import Callable, Iterator

import httpx
import pytest

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
