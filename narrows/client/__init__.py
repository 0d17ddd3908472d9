"""The Python client of the service; the only other package that it needs is httpx."""

from narrows.client.client import Client
from narrows.client.errors import ApiError, UnreachableError

__all__ = ["ApiError", "Client", "UnreachableError"]
