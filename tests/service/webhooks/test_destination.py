"""Where webhooks may point."""

import asyncio
import ipaddress

import httpx
import pytest

from service.webhooks.destination import DestinationError, check_url, is_public, pinned

NOT_PUBLIC = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
    "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(DestinationError, match="is not public"):
        check_url(f"https://{host}/hook", private=False)
    with pytest.raises(DestinationError, match="is not public"):
        asyncio.run(pinned(httpx.URL(f"https://{host}/hook"), private=False))
    check_url(f"http://{host}:8080/hook", private=True)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "", "https://", "https:///x", "http://example.com", "ftp://example.com", "example.com",
        "https://ann:secret@example.com", "https://example.com#part", "https://exa mple.com",
        "https://example.com:99999", "https://[::1", "https://exämple.com",
        "https://example.com/\r\nx: y", "https://example.com/" + "x" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_webhook(url: str) -> None:
    with pytest.raises(DestinationError):
        check_url(url, private=False)


def test_the_checked_address_is_the_one_asked() -> None:
    url, extensions = asyncio.run(pinned(httpx.URL("https://localhost:8443/a?b=c"), private=True))
    assert (url.host, url.port, url.raw_path) in {
        (host, 8443, b"/a?b=c") for host in ("127.0.0.1", "::1")
    }
    assert extensions == {"sni_hostname": "localhost"}
    with pytest.raises(DestinationError, match="is not public"):
        asyncio.run(pinned(httpx.URL("https://localhost:8443/"), private=False))


def test_a_name_without_an_address() -> None:
    with pytest.raises(DestinationError, match="has no address"):
        asyncio.run(pinned(httpx.URL("https://nowhere.invalid/"), private=True))
