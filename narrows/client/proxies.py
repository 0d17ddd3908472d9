"""The way to a server: directly, or through a proxy that the environment names.

Servers on this machine are always asked directly, so that neither a request nor its key leaves it.
For others, `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` hold, in either case of letters,
and the system's settings where it has them.
"""

import ipaddress
import re
import socket
import urllib.request
from typing import TypeVar

import httpx

from narrows.client.errors import ConfigurationError

T = TypeVar("T", httpx.HTTPTransport, httpx.AsyncHTTPTransport)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_this_machine(host: str) -> bool:
    """Return whether `host` is this machine's loopback, by its name (RFC 6761) or address.

    >>> [is_this_machine(host) for host in ("localhost", "api.localhost.", "127.8.0.1", "::1")]
    [True, True, True, True]
    >>> [is_this_machine(host) for host in ("example.com", "localhost.com", "10.0.0.1")]
    [False, False, False]
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    # Connections to 0.0.0.0, where a server may listen, arrive at this machine.
    return address is not None and (address.is_loopback or address.is_unspecified)


def transport_to(url: httpx.URL, kind: type[T]) -> T:
    """Return a transport for requests to `url`; raise ConfigurationError for an unusable proxy.

    What it checks certificates against follows `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    """
    found = None if is_this_machine(url.host) else _proxy_of(url)
    if found is None:
        return _transport(kind, None)
    variable, text = found
    shown = re.sub(r"//[^/]*@", "//", text)  # without a password
    try:
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
        if not proxy.url.host:
            raise ValueError("It names no host.")
        return _transport(kind, proxy)
    except ImportError:
        why = "SOCKS proxies need one more package: pip install 'httpx[socks]'."
    except (ValueError, httpx.InvalidURL) as error:
        why = str(error).replace(text, shown)
    raise ConfigurationError(
        f"The proxy {shown} in {variable} can't be used. {why} "
        f"To reach {url.host} directly, add it to no_proxy."
    )


def _proxy_of(url: httpx.URL) -> tuple[str, str] | None:
    """Return the variable that names a proxy for `url`, and what it says; None without a proxy."""
    proxies = urllib.request.getproxies()
    for kind in (url.scheme, "all"):
        if text := proxies.get(kind, "").strip():
            break
    else:
        return None
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    if urllib.request.proxy_bypass(f"{url.host}:{port}") or _excepted(url.host, proxies):
        return None
    return f"{kind}_proxy", text


def _excepted(host: str, proxies: dict[str, str]) -> bool:
    """Return whether `no_proxy` holds for an address, also as a network such as 10.0.0.0/8."""
    entries = [entry.strip() for entry in proxies.get("no", "").split(",")]
    address = _address(host)
    return "*" in entries or (address is not None and any(_holds(e, address) for e in entries))


def _holds(entry: str, address: Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))  # as resolvers do: 127.1
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


def _transport(kind: type[T], proxy: httpx.Proxy | None) -> T:
    try:
        return kind(proxy=proxy)
    except OSError as error:
        raise ConfigurationError(
            f"The certificates in SSL_CERT_FILE or SSL_CERT_DIR can't be read: {error}."
        ) from None
