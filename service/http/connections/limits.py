"""How many connections there may be, and how slow they may be."""

import resource
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from service.setting_networks import networks
from service.settings import Settings

BACKLOG: Final = 256
"""How many new connections the kernel holds, and the event loop accepts at once."""
OTHER_FILES: Final = 256
"""How many files the process has open besides connections: uploads, database, broker."""
HEADER_BYTES: Final = 8 << 10
"""How much is read at once of headers; the beginning of a body may come with them."""
BODY_BYTES: Final = 64 << 10
"""How much is read at once of a body."""
MIN_RATE: Final = 1024
"""Bytes a second that a client must send of a body, and take of a response."""
DRAIN_SECONDS: Final = 2.0
"""How long what a client still sends is thrown away, so that it reads the answer first."""


@dataclass(frozen=True)
class Limits:
    """The limits of one server; times are in seconds."""

    connections: int
    per_address: int
    header_seconds: float
    stall_seconds: float
    is_proxy: Callable[[str], bool]
    """Whether an address is that of a proxy: many clients share it, so it has no limit."""


def limits_of(settings: Settings) -> Limits:
    """Return the limits that the settings set; let the process open as many files.

    There are fewer connections where the system does not allow so many open files.
    """
    files = _allow_files(settings.max_connections + BACKLOG + OTHER_FILES)
    return Limits(
        connections=max(1, min(settings.max_connections, files - BACKLOG - OTHER_FILES)),
        per_address=settings.max_connections_per_address,
        header_seconds=settings.header_seconds,
        stall_seconds=settings.stall_seconds,
        is_proxy=_membership(settings.trusted_proxies),
    )


def _allow_files(count: int) -> int:
    """Raise the limit of open files to `count` where it is lower; return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return count if soft == resource.RLIM_INFINITY else soft


def _membership(proxies: str) -> Callable[[str], bool]:
    trusted = networks(proxies)

    def is_proxy(address: str) -> bool:
        with suppress(ValueError):  # a Unix socket has none
            return any(ip_address(address) in network for network in trusted)
        return False

    return is_proxy
