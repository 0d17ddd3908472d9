"""Narrows finds the layers of a network that are too narrow, and plans wider ones.

>>> from narrows import analyze

The public names are imported on first use (PEP 562), so that a client of the service does not
import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from narrows.analysis import Analysis
    from narrows.analyze_module import analyze
    from narrows.client import Client
    from narrows.surgery.built import Built

__all__ = ["Analysis", "Built", "Client", "analyze"]

_HOMES = {
    "Analysis": "narrows.analysis",
    "Built": "narrows.surgery.built",
    "Client": "narrows.client",
    "analyze": "narrows.analyze_module",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
