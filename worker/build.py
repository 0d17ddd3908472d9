"""Networks, not just advice: a plan as a file, proven before anybody gets it (METHOD §4)."""

from pathlib import Path
from typing import Any

from worker.formats import pt2
from worker.problems import Refused
from worker.sosp import building, surgery
from worker.sosp.analysis import Analysis
from worker.sosp.network import Network
from worker.sosp.plans import Plan


def build(
    original: Network, analysis: Analysis, plan: Plan, init: surgery.Init, path: Path
) -> dict[str, Any]:
    """Write the network that a plan makes of the uploaded one, in its own precision, to `path`.

    It is proven on random inputs, and read back. Returns how far its outputs are from what they
    were to be, and why where that is more than rounding. Raises Refused where it can't be built.
    """
    shapes, channels, copies = analysis.shapes, analysis.channels, plan.copies
    seed = analysis.seed
    try:
        built = surgery.resize(original, channels, copies, init=init, shapes=shapes, seed=seed)
        proof = surgery.check(
            original, channels, copies, built, init=init, shapes=shapes, seed=seed
        )
        building.save(built, path, shapes)
        surgery.check_same(built, pt2.read(path), shapes=shapes, seed=seed)
    except (surgery.SurgeryError, building.BuildError) as error:
        raise Refused(
            "plan-not-built",
            "A plan can't be built as a network",
            f"Building {plan.name!r} failed: {error}. Leave it out of `build`; its edits can still "
            "be made in the source.",
        ) from error
    return {"deviation": proof.deviation, "reasons": list(proof.reasons)}
