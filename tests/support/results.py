"""Results as commands print them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from narrows.client import Analysis
from narrows.client.types import Artifact, Layer, Plan
from service.cli.run_analysis import Result


def as_result(document: Mapping[str, Any]) -> Result:
    """Return the result that `--json` prints as `document`."""
    built = [(Artifact(one), Path(one["path"])) for one in document.get("artifacts", ())]
    return Result(
        Analysis(document["analysis"]),
        [Layer(one) for one in document["layers"]],
        [Plan(one) for one in document["plans"]],
        built,
    )
