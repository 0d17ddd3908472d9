"""Builds plans as networks, verifies them, and writes them to files.

See docs/method.md, "From saliencies to verdicts".
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from narrows import surgery
from narrows.analysis import Analysis
from narrows.graph.network import Network
from narrows.graph.to_export import BuildError
from narrows.plans.planner import Plan
from narrows.surgery import built
from narrows.surgery.built import Built
from narrows.vocabulary import Init
from service.logs import first_line
from worker.formats import pt2

log = logging.getLogger(__name__)

EXPECTED = (surgery.SurgeryError, BuildError)
"""What says why a plan can't be built; anything else is a fault of ours, and logged."""


class BuildFailedError(Exception):
    """A plan can't be built as a network; the others can."""


def build_all(
    model_path: str, analysis: Analysis, plans: Mapping[str, Plan], init: Init, folder: Path
) -> dict[str, Built | BuildFailedError]:
    """Build the networks of plans one by one; one that fails leaves the others alone."""
    built: dict[str, Built | BuildFailedError] = {}
    if plans:
        original = pt2.read(Path(model_path))
    for name, plan in plans.items():
        try:
            built[name] = build(original, analysis, plan, init, folder / f"{name}.pt2")
        except BuildFailedError as error:
            built[name] = error
    return built


def built_row(name: str, built: Built | BuildFailedError | None) -> dict[str, Any]:
    """Return what a plan's row says of its network: the file, its scores, or the error."""
    if not isinstance(built, Built):
        return {"artifact": None, "evaluation": None, "error": built and str(built)}
    effect = built.effect and built.effect.to_dict()
    return {"artifact": f"{name}.pt2", "evaluation": effect, "error": None}


def verifications(built: Mapping[str, Built | BuildFailedError]) -> dict[str, Any]:
    """Return for each network that was built how far its outputs deviate, and why."""
    return {
        name: {"deviation": of.verification.deviation, "reasons": list(of.verification.reasons)}
        for name, of in built.items()
        if isinstance(of, Built)
    }


def build(original: Network, analysis: Analysis, plan: Plan, init: Init, path: Path) -> Built:
    """Apply a plan to the uploaded network and write the result, in its own precision, to `path`.

    The network is verified on random inputs, read back, and evaluated on the analysis' own samples.
    Raises BuildFailedError with the reason if it can't be built; then no file is left.
    """
    try:
        return _built(original, analysis, plan, init, path)
    except OSError:
        raise  # a full disk, which is waited out
    except Exception as error:
        path.unlink(missing_ok=True)
        if not isinstance(error, EXPECTED):
            log.exception("building %r failed", plan.name)
        raise BuildFailedError(
            f"Building {plan.name!r} failed: {first_line(error)}. Its edits can still be made in "
            "the source."
        ) from error


def _built(original: Network, analysis: Analysis, plan: Plan, init: Init, path: Path) -> Built:
    shapes, seed = analysis.shapes, analysis.seed
    result = built.build(original, analysis.channels, plan.copies, shapes, init=init, seed=seed)
    result.save(path)
    surgery.verify_same(result.network, pt2.read(path), shapes=shapes, seed=seed)
    if analysis.evaluation is None:
        return result
    in_single = result.network.in_single_precision()
    return replace(result, effect=analysis.evaluation.effect(in_single))
