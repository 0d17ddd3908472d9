"""Networks, not just advice: a plan as a file, proven before anybody gets it.

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
    """Write the network that a plan makes of the uploaded one, in its own precision, to `path`.

    It is proven on random inputs, and read back. Returns how far its outputs are from what they
    were to be, and why where that is more than rounding. Raises RefusedError where it can't be
    built.
    """
    shapes, seed = analysis.shapes, analysis.seed
    try:
        found = built.build(original, analysis.channels, plan.copies, shapes, init=init, seed=seed)
        found.save(path)
        surgery.verify_same(found.network, pt2.read(path), shapes=shapes, seed=seed)
    except (surgery.SurgeryError, BuildError) as error:
        raise RefusedError(
            "plan-not-built",
            "A plan can't be built as a network",
            f"Building {plan.name!r} failed: {error}. Leave it out of `build`; its edits can still "
            "be made in the source.",
        ) from error
    return {"deviation": found.verification.deviation, "reasons": list(found.verification.reasons)}
