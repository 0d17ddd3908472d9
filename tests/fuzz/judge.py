"""Reads a mutant as the product's child does, and says how that ended."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from tests.fuzz import data, models
from worker.errors import RefusedError
from worker.formats import dataset
from worker.formats.transform import Transform
from worker.pipeline import context, opening, steps

ADDRESS: Final = re.compile(r"0x[0-9a-f]{6,}|<[^<>]* object at")
"""What a `repr` of an object shows, and no answer may."""
READ: Final = "read"
SAMPLES: Final = 64


class FoundError(Exception):
    """A mutant was neither read nor refused as it should be."""


def judge_model(path: Path, samples: Path) -> str:
    """Inspect a model, and plan an analysis of it, which runs it; return how that ended."""

    def both() -> Any:
        inspected = steps.inspect_model(str(path))
        return inspected, steps.plan(str(path), str(samples), {}, {"max_samples": 16})

    return _ending(both)


def judge_data(path: Path, _samples: Path) -> str:
    """Inspect a dataset, and read all its samples; return how that ended."""

    def both() -> Any:
        inspected = steps.inspect_dataset(str(path), {})
        samples = dataset.read(path, Transform.from_json({}))
        for stored in samples.only(np.arange(min(len(samples), SAMPLES))).inputs.values():
            stored.batch(slice(None), torch.float32)
        return inspected

    return _ending(both)


JUDGES: Final[Mapping[str, tuple[Callable[..., bytes], Callable[[Path, Path], str]]]] = {
    "model": (models.mutant, judge_model),
    "data": (data.mutant, judge_data),
}
"""What makes the mutants of each kind, and what judges them."""


def judge(kind: str, seed: int, folder: Path, *names: str) -> str:
    """Make a mutant, of the originals with these names, and judge it.

    Returns `read`, or the end of the problem's type.

    Raises FoundError for any exception but a refusal, for a result that is no JSON, and for a text
    that holds an address.
    """
    make, judge_file = JUDGES[kind]
    samples, path = folder / "samples", folder / "mutant"
    if not samples.exists():
        samples.write_bytes(data.original("npz"))
    path.write_bytes(make(seed, names) if names else make(seed))
    opening.open_once.cache_clear()
    context.open_network.cache_clear()
    return judge_file(path, samples)


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
