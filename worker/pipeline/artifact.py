"""Builds a plan as a network, verifies it, and writes it to a file.

See docs/method.md, "From saliencies to verdicts".
"""

from pathlib import Path
from typing import Any

from narrows import surgery
from narrows.analysis import Analysis
from narrows.graph.network import Network
from narrows.graph.to_export import BuildError
from narrows.plans.planner import Plan
from narrows.surgery import built
from narrows.vocabulary import Init
from worker.errors import RefusedError
from worker.formats import pt2


def build(
    original: Network, analysis: Analysis, plan: Plan, init: Init, path: Path
) -> dict[str, Any]:
    """Apply a plan to the uploaded network and write the result, in its own precision, to `path`.

    The network is verified on random inputs, and read back. Returns the deviation of its outputs
    from the expected ones, and the reasons if it exceeds rounding. Raises RefusedError if the
    network can't be built.
    """
    shapes, seed = analysis.shapes, analysis.seed
    try:
        result = built.build(original, analysis.channels, plan.copies, shapes, init=init, seed=seed)
        result.save(path)
        surgery.verify_same(result.network, pt2.read(path), shapes=shapes, seed=seed)
    except (surgery.SurgeryError, BuildError) as error:
        raise RefusedError(
            "plan-not-built",
            "A plan can't be built as a network",
            f"Building {plan.name!r} failed: {error}. Leave it out of `build`; its edits can still "
            "be made in the source.",
        ) from error
    verification = result.verification
    return {"deviation": verification.deviation, "reasons": list(verification.reasons)}
