import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from narrows.client import ApiError, Client, Limits, UnreachableError

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def client_of() -> Iterator[Callable[[Handler], Client]]:
    """Make a client of a server that answers as the given function does."""
    clients = []

    def make(handler: Handler) -> Client:
        client = Client("http://narrows", "nrw_key", limits=Limits(retries=0))
        client._connection.http = httpx.Client(
            base_url=client.url, transport=httpx.MockTransport(handler), timeout=1
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def test_pages_are_followed(client_of: Callable[[Handler], Client]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        token = request.url.params.get("page_token")
        item = {"name": token or "first"}
        next_token = {None: "second", "second": "third"}.get(token)
        return httpx.Response(200, json={"items": [item], "next_page_token": next_token})

    names = [layer.name for layer in client_of(answer).analyses.layers("ana_1")]
    assert names == ["first", "second", "third"]


def test_watching_asks_for_news(client_of: Callable[[Handler], Client]) -> None:
    answers = iter(["queued", None, "running", "succeeded"])
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.headers.get("If-None-Match"), request.headers.get("Prefer")))
        state = next(answers)
        headers = {"ETag": f'W/"{len(asked)}"'}
        return (
            httpx.Response(200, json={"id": "ana_1", "state": state}, headers=headers)
            if state
            else httpx.Response(304, headers={"ETag": 'W/"1"'})
        )

    states = [analysis.state for analysis in client_of(answer).analyses.watch("ana_1")]
    assert states == ["queued", "queued", "running", "succeeded"]
    assert [tag for tag, _ in asked] == [None, 'W/"1"', 'W/"1"', 'W/"3"']
    assert asked[0][1] is None
    assert all(prefer for _, prefer in asked[1:])


@pytest.fixture
def built(client_of: Callable[[Handler], Client]) -> Callable[..., Client]:
    """Make a client of a server that has a file, with a tag that is right unless given."""

    def make(content: bytes, tag: str | None = None) -> Client:
        def answer(request: httpx.Request) -> httpx.Response:
            assert request.url.path == "/v1/analyses/ana_1/artifacts/double.pt2"
            right = hashlib.sha256(content).hexdigest()
            return httpx.Response(200, content=content, headers={"ETag": f'"{tag or right}"'})

        return client_of(answer)

    return make


def test_a_download(built: Callable[..., Client], tmp_path: Path) -> None:
    content, read = b"network" * 100_000, list[int]()
    client = built(content)
    assert (
        client.analyses.download("ana_1", "double.pt2", tmp_path, read.append)
        == tmp_path / "double.pt2"
    )
    assert sum(read) == len(content)
    client.analyses.download("ana_1", "double.pt2", tmp_path / "other")
    assert {p.name: p.read_bytes() == content for p in tmp_path.iterdir()} == {
        "double.pt2": True,
        "other": True,
    }


def test_a_damaged_download_leaves_what_was_there(
    built: Callable[..., Client], tmp_path: Path
) -> None:
    (tmp_path / "double.pt2").write_bytes(b"before")
    with pytest.raises(OSError, match="What arrived is not what was built"):
        built(b"network", tag="0" * 64).analyses.download("ana_1", "double.pt2", tmp_path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


def test_a_download_of_nothing(client_of: Callable[[Handler], Client], tmp_path: Path) -> None:
    document = {"title": "Not found", "detail": "There is no artifact of this name."}
    client = client_of(lambda _: httpx.Response(404, json=document))
    with pytest.raises(ApiError, match="no artifact of this name"):
        client.analyses.download("ana_1", "double.pt2", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_problem_becomes_an_error(client_of: Callable[[Handler], Client]) -> None:
    document = {
        "type": "urn:narrows:problem:invalid", "title": "The request is invalid", "status": 422,
        "detail": "See errors.", "errors": [{"pointer": "/seed", "in": "body", "detail": "No."}],
    }  # fmt: skip
    with pytest.raises(ApiError) as raised:
        client_of(lambda _: httpx.Response(422, json=document)).analyses.cancel("ana_1")
    assert str(raised.value) == "The request is invalid: /seed: No."
    assert (raised.value.status, raised.value.type) == (422, document["type"])
    assert raised.value.errors == document["errors"]


@pytest.mark.parametrize("status", [302, 502])
def test_answers_from_in_between(status: int, client_of: Callable[[Handler], Client]) -> None:
    with pytest.raises(ApiError, match=f"HTTP status {status}: a proxy speaks"):
        client_of(lambda _: httpx.Response(status, text="a proxy speaks")).analyses.cancel("ana_1")


def test_another_server(client_of: Callable[[Handler], Client]) -> None:
    with pytest.raises(UnreachableError, match="is not Narrows"):
        client_of(lambda _: httpx.Response(200, html="<p>Hello")).analyses.cancel("ana_1")
