"""What differs between models and datasets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from service.uploads.receive import Form
from service.uploads.repository import U


@dataclass(frozen=True)
class Kind(Generic[U]):
    """What differs between models and datasets."""

    table: type[U]
    noun: str
    prefix: str
    task: str
    fields: Mapping[str, Callable[[Form], Any]] = field(default_factory=dict)
    """The text fields of this kind; each function reads the column of that name from a form."""
