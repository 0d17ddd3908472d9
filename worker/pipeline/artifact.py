"""Builds a plan as a network, verifies it, and writes it to a file.

See docs/method.md, "From saliencies to verdicts".
"""

import logging
from dataclasses import replace
from pathlib import Path

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
