"""Checks the networks among the settings; the error says what to write instead."""

from ipaddress import IPv4Network, IPv6Network, ip_network


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Return the networks in `text`, between commas; raise ValueError if one is none."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


def check_networks(text: str) -> str:
    """Return `text` if it lists addresses and networks; else raise ValueError."""
    try:
        networks(text)
    except ValueError as error:
        raise ValueError(
            f"{error}. Write addresses and networks with commas, as in 10.0.0.2, 172.30.0.0/24."
        ) from None
    return text
