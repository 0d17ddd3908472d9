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
    from narrows.client import AsyncClient, Client
    from narrows.surgery.built import Built
    from narrows.trials.options import TrialOptions
    from narrows.trials.trial import Trial
    from narrows.trials.try_plans import trial

__all__ = [
    "Analysis",
    "AsyncClient",
    "Built",
    "Client",
    "Trial",
    "TrialOptions",
    "analyze",
    "trial",
]

_HOMES = {
    "Analysis": "narrows.analysis",
    "AsyncClient": "narrows.client",
    "Built": "narrows.surgery.built",
    "Client": "narrows.client",
    "Trial": "narrows.trials.trial",
    "TrialOptions": "narrows.trials.options",
    "analyze": "narrows.analyze_module",
    "trial": "narrows.trials.try_plans",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
