"""Where a webhook may point: a caller must not reach through this server what it alone can reach.

See docs/security.md, "Webhooks".
"""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
MAX_URL = 2000


class DestinationError(Exception):
    """A URL that must not be asked; the text says why."""


def check_url(url: str, *, private: bool) -> None:
    """Raise DestinationError for what can't be a webhook's URL, without asking for addresses."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise DestinationError("This is no URL.") from None
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > MAX_URL:
        raise DestinationError(f"A URL has at most {MAX_URL} printable ASCII characters.")
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise DestinationError("The URL must begin with https://.")
    if not host:
        raise DestinationError("The URL names no host.")
    if parts.username is not None or parts.fragment:
        raise DestinationError("The URL must have neither a user nor a fragment.")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    _require_public(address, private=private)


async def pinned(url: httpx.URL, *, private: bool) -> tuple[httpx.URL, dict[str, str]]:
    """Return the URL with the address of its host in place of the name, and the extensions for it.

    So the address that is asked is the one that was checked (no DNS rebinding), while TLS still
    checks the name. Raises DestinationError, also where the name has no address.
    """
    port = url.port or {"https": 443, "http": 80}[url.scheme]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            url.host, port, type=socket.SOCK_STREAM
        )
    except OSError:
        raise DestinationError(f"The name {url.host} has no address.") from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        _require_public(address, private=private)
    return url.copy_with(host=str(addresses[0])), {"sni_hostname": url.host}


def _require_public(address: Address, *, private: bool) -> None:
    if not private and not is_public(address):
        raise DestinationError(
            f"The address {address} is not public. NARROWS_WEBHOOK_PRIVATE=true allows it."
        )


def is_public(address: Address) -> bool:
    """Return whether anybody on the internet can reach an address, also one within another.

    >>> [is_public(ipaddress.ip_address(a)) for a in ("1.1.1.1", "10.0.0.1", "::ffff:127.0.0.1")]
    [True, False, False]
    """
    if isinstance(address, ipaddress.IPv6Address) and (inner := _within(address)) is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast


def _within(address: ipaddress.IPv6Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if any."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
