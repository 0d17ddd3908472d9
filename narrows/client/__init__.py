"""The Python client of the service; the only other package that it needs is httpx."""

from narrows.client.client import Client
from narrows.client.errors import ApiError, ConfigurationError, TimedOutError, UnreachableError
from narrows.client.limits import Limits

__all__ = [
    "ApiError",
    "Client",
    "ConfigurationError",
    "Limits",
    "TimedOutError",
    "UnreachableError",
]
