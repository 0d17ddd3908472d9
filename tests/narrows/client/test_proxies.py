"""Which requests go through a proxy: never those to this machine, nor their keys."""

import os
from pathlib import Path

import httpx
import pytest

from narrows.client import Client, ConfigurationError, Limits, UnreachableError
from narrows.client.proxies import is_this_machine, transport_to
from tests.support.misbehaving import Misbehaving, misbehaving, saying

VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower() in VARIABLES or name.startswith("NARROWS_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("name", [*VARIABLES[:3], "HTTP_PROXY", "ALL_PROXY"])
def test_this_machine_is_asked_directly(
    name: str, server: Misbehaving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "api-key").write_text("nrw_embedded\n")
    monkeypatch.setenv("NARROWS_DATA", str(tmp_path))
    with misbehaving() as proxy:
        monkeypatch.setenv(name, proxy.url)
        with Client(server.url.replace("127.0.0.1", "localhost")) as client:
            client.analyses.list().first(1)
        assert proxy.asked == []
    assert [a.headers["Authorization"] for a in server.asked] == ["Bearer nrw_embedded"]


def test_others_through_the_proxy_that_the_environment_names(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.removeprefix("http://"))  # as curl takes it
    with Client("http://narrows.example", "nrw_given") as client:
        client.analyses.list().first(1)
    (asked,) = server.asked
    assert asked.headers["Host"] == "narrows.example"


@pytest.mark.parametrize(
    "excepted", ["*", "narrows.test", ".test", "a.b, NARROWS.TEST:80", "other,test"]
)
def test_no_proxy(excepted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", excepted)
    transport_to(httpx.URL("http://narrows.test"), httpx.HTTPTransport).close()


def test_no_proxy_names_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "10.0.0.0/8,fd00::/8")
    for url in ("http://10.9.8.7:8000", "https://[fd00::1]"):
        transport_to(httpx.URL(url), httpx.HTTPTransport).close()
    with pytest.raises(ConfigurationError):
        transport_to(httpx.URL("http://11.0.0.1"), httpx.HTTPTransport)


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("socks5://me:secret@127.0.0.1:9", r"pip install 'httpx\[socks\]'"),
        ("socks4://127.0.0.1:9", "Proxy protocol|scheme"),
        ("http://proxy:port", "Invalid port"),
        ("http://", "names no host"),
    ],
)
def test_a_proxy_that_can_not_work(proxy: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConfigurationError, match=why) as raised:
        Client("https://narrows.example")
    assert "in https_proxy can't be used" in str(raised.value)
    assert "add it to no_proxy" in str(raised.value)
    assert "secret" not in str(raised.value)
    Client("http://127.0.0.1:8000").close()
    Client("http://narrows.example").close()  # https_proxy is not for it


def test_the_embedded_key_stays_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("nrw_embedded")
    monkeypatch.setenv("NARROWS_DATA", str(tmp_path))
    with Client("http://narrows.example", limits=Limits()) as client:
        assert "Authorization" not in client._connection.http.headers


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.255.255.254", True), ("127.1", True), ("::1", True),
        ("::ffff:127.0.0.1", True), ("0.0.0.0", True), ("LOCALHOST", True), ("a.localhost", True),
        ("128.0.0.1", False), ("127.0.0.1.example.com", False), ("notlocalhost", False),
        ("::2", False), ("localhost.example.com", False), ("", False),
    ],
)  # fmt: skip
def test_this_machine(host: str, here: bool) -> None:
    assert is_this_machine(host) == here


def test_a_proxy_that_refuses_a_tunnel(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    for status, asked in ((503, 3), (403, 4)):  # tried again, or not
        server.faults = [saying(status)] * 3
        with (
            Client("https://narrows.example", "nrw_key", limits=Limits(retries=2)) as client,
            pytest.raises(UnreachableError, match="The proxy does not lead to https://narrows"),
        ):
            client.workers.list().first(1)
        assert len(server.asked) == asked
    assert all("Authorization" not in asked.headers for asked in server.asked)
