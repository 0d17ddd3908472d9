"""Why a result has no verdict at all."""

from typing import TYPE_CHECKING

from narrows.report.texts import of_layer_alone
from service.cli.report_summary import summary_of

if TYPE_CHECKING:
    from narrows.client.types import Layer
    from service.cli.run_analysis import Result


def nothing_decided(result: "Result") -> str:
    """Return why no layer has a verdict, if none has."""
    if doubt := summary_of(result.analysis).doubt:
        return doubt
    prunable = [layer for layer in result.layers if layer.verdict != "not_prunable"]
    if not prunable:
        return "no layer can be pruned, so none was judged; `narrows inspect` says why."
    if all(str(layer.verdict) == "undecided" for layer in prunable):
        why = {_without_numbers(layer) for layer in prunable}
        return f"every layer is undecided: {'; '.join(sorted(why))}"
    return ""


def _without_numbers(layer: "Layer") -> str:
    """Return why a layer is undecided, without its own score, which comes first."""
    reason = str(layer.because or layer.reason or "no reason given")
    return of_layer_alone(reason.partition("; ")[2] or reason)
