"""The Python client of the service; of other packages it needs httpx alone."""

from narrows.client.client import Client
from narrows.client.errors import ApiError, UnreachableError

__all__ = ["ApiError", "Client", "UnreachableError"]
