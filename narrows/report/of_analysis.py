"""The findings of an analysis in memory."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from narrows.report.findings import Findings

if TYPE_CHECKING:
    from narrows.analysis import Analysis


def findings_of(analysis: "Analysis", title: str) -> Findings:
    """Return what a report tells of an analysis."""
    document: Any = analysis.to_dict()
    saliency = analysis.saliency
    return Findings(
        summary=document["summary"],
        rows=document["layers"],
        plans=document["plans"],
        saliencies={
            layer.name: sorted(saliency[layer.own].tolist(), reverse=True)
            for layer in analysis.channels.layers
        },
        provenance={
            "narrows": version("narrows"),
            "torch": version("torch"),
            "method": analysis.method.name,
            "rule": analysis.judged_by,
            "gate": analysis.gate,
            "cost": analysis.cost,
            "seed": analysis.seed,
        },
        pruning_ratio=analysis.pruning_ratio,
        title=title,
    )
