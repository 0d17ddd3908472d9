"""The files of an analysis that its follow-ups are computed from: partial sums, and rankings.

See docs/architecture.md, "Follow-ups".
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.channels.structures import Channels
from narrows.evaluation.baseline import Baseline
from narrows.evaluation.score import Score
from narrows.methods.partial_sums import PartialSums
from narrows.verdict.rankings import Rankings
from narrows.vocabulary import PARTIAL_SUMS, RANKINGS
from service.settings import get_settings
from worker.formats.files import open_file

Json = dict[str, Any]
_FACTS = "facts"


@dataclass(frozen=True)
class Measured:
    """All that an analysis has learned of its data.

    `inputs` are the shapes of the network's inputs, `structures` the digest of what the sums are
    of, and `provenance` says where the sums come from.
    """

    sums: PartialSums
    inputs: list[tuple[int, ...]]
    baseline: Baseline | None
    structures: str
    provenance: Json

    @classmethod
    def read(cls, path: str) -> "Measured":
        """Return what `keep` wrote."""
        arrays, facts = _read(path)
        baseline = facts["baseline"] and _baseline(facts["baseline"])
        inputs = [tuple(shape) for shape in facts["inputs"]]
        sums = PartialSums.of_arrays(arrays)
        return cls(sums, inputs, baseline, facts["structures"], facts["provenance"])


def keep(folder: Path, measured: Measured) -> list[str]:
    """Write the partial sums to a file in `folder`; return its name, or none if it is too large."""
    arrays = measured.sums.to_arrays()
    if sum(array.nbytes for array in arrays.values()) > get_settings().largest_sums_bytes:
        return []
    facts = {
        "inputs": measured.inputs,
        "baseline": measured.baseline and asdict(measured.baseline),
        "structures": measured.structures,
        "provenance": measured.provenance,
    }
    return [_write(folder / PARTIAL_SUMS, arrays, facts)]


def keep_rankings(folder: Path, rankings: Rankings, removals: Json) -> list[str]:
    """Write the rankings, and what was measured after removals in their order; return the name."""
    return [_write(folder / RANKINGS, rankings.to_arrays(), {"removals": removals})]


def read_rankings(path: str) -> tuple[Rankings, Json]:
    """Return the rankings and the removals that `keep_rankings` wrote."""
    arrays, facts = _read(path)
    return Rankings.of_arrays(arrays), facts["removals"]


def digest_of(channels: Channels) -> str:
    """Return a digest of the structures: which channel of which layer each number is of."""
    digest = hashlib.sha256()
    for layer in channels.layers:
        digest.update(f"{layer.name}\0{layer.width}\0".encode())
        digest.update(layer.structures.astype("<i8").tobytes())
    return digest.hexdigest()


def _baseline(facts: Json) -> Baseline:
    chance = facts["chance"] and Score(**facts["chance"])
    return Baseline(Score(**facts["score"]), facts["kind"], chance)


def _write(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Json) -> str:
    np.savez(path, allow_pickle=False, **arrays, **{_FACTS: np.array(json.dumps(facts))})
    return path.name


def _read(path: str) -> tuple[dict[str, NDArray[Any]], Json]:
    with open_file(path) as file, np.load(file, allow_pickle=False) as loaded:
        arrays = dict(loaded)
    return arrays, json.loads(str(arrays.pop(_FACTS)))
