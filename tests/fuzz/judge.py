"""Reads a mutant as the product's child does, and says how that ended."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.fuzz import data, models
from worker.errors import RefusedError
from worker.pipeline import context, steps

ADDRESS: Final = re.compile(r"0x[0-9a-f]{6,}|<[^<>]* object at")
"""What a `repr` of an object shows, and no answer may."""
READ: Final = "read"


class FoundError(Exception):
    """A mutant was neither read nor refused as it should be."""


def judge_model(path: Path, dataset: Path) -> str:
    """Inspect a model, and plan an analysis of it, which runs it; return how that ended."""

    def both() -> Any:
        inspected = steps.inspect_model(str(path))
        return inspected, steps.plan(str(path), str(dataset), {}, {"max_samples": 16})

    return _ending(both)


def judge_data(path: Path, _dataset: Path) -> str:
    """Inspect a dataset; return how that ended."""
    return _ending(lambda: steps.inspect_dataset(str(path), {}))


JUDGES: Final[Mapping[str, tuple[Callable[[int], bytes], Callable[[Path, Path], str]]]] = {
    "model": (models.mutant, judge_model),
    "data": (data.mutant, judge_data),
}
"""What makes the mutants of each kind, and what judges them."""


def judge(kind: str, seed: int, folder: Path) -> str:
    """Make a mutant and judge it: `read`, or the end of the problem's type.

    Raises FoundError for any exception but a refusal, for a result that is no JSON, and for a text
    that holds an address.
    """
    make, judge_file = JUDGES[kind]
    dataset, path = folder / "dataset", folder / "mutant"
    if not dataset.exists():
        dataset.write_bytes(data.original("npz"))
    path.write_bytes(make(seed))
    steps._open_once.cache_clear()
    context.open_network.cache_clear()
    return judge_file(path, dataset)


def _ending(read: Callable[[], Any]) -> str:
    try:
        text, ending = json.dumps(read(), allow_nan=False), READ
    except RefusedError as refusal:
        text, ending = str(refusal), refusal.slug
    except Exception as error:
        raise FoundError(f"internal-error: {type(error).__name__}: {error}"[:400]) from error
    if leak := ADDRESS.search(text):
        where = text[max(0, leak.start() - 100) : leak.end() + 20]
        raise FoundError(f"an address in the answer: {where}")
    return ending
