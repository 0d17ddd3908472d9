"""The Python client of the service; the only other package that it needs is httpx.

with Client() as client:
    analysis = client.analyze("net.pt2", "data.npz")
    for layer in analysis.layers:
        print(layer.name, layer.verdict)

`AsyncClient` is the same with `await`. See docs/client.md. Names are
imported on first use (PEP 562): the server, which asks for `limits`, needs no client to be written
from its description.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from narrows.client.asynchronous.bound import AsyncAnalysis, AsyncTrial
    from narrows.client.asynchronous.client import AsyncClient
    from narrows.client.errors import (
        ApiError,
        AuthenticationError,
        BadRequestError,
        CallError,
        ConfigurationError,
        ConflictError,
        FailedError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitedError,
        ServerError,
        TimedOutError,
        UnprocessableError,
        UnreachableError,
    )
    from narrows.client.limits import Limits
    from narrows.client.synchronous.bound import Analysis, Trial
    from narrows.client.synchronous.client import Client

__all__ = [
    "Analysis",
    "ApiError",
    "AsyncAnalysis",
    "AsyncClient",
    "AsyncTrial",
    "AuthenticationError",
    "BadRequestError",
    "CallError",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "FailedError",
    "Limits",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitedError",
    "ServerError",
    "TimedOutError",
    "Trial",
    "UnprocessableError",
    "UnreachableError",
]

_HOMES = {
    "Analysis": "synchronous.bound",
    "AsyncAnalysis": "asynchronous.bound",
    "AsyncClient": "asynchronous.client",
    "AsyncTrial": "asynchronous.bound",
    "Client": "synchronous.client",
    "Limits": "limits",
    "Trial": "synchronous.bound",
}
"""The modules of all names but errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
