"""The findings of an analysis in memory."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from narrows.report.findings import Findings
from narrows.report.report import Report

if TYPE_CHECKING:
    from narrows.analysis import Analysis


def findings_of(analysis: "Analysis", title: str) -> Findings:
    """Return what a report tells of an analysis."""
    summary: Any = analysis.summary
    plans: Any = [plan.to_dict() for plan in analysis.plans.values()]
    saliency = analysis.saliency
    return Findings(
        summary=summary,
        rows=_rows(analysis),
        plans=plans,
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


def drawing_of(analysis: "Analysis") -> str:
    """Return the drawing of the network alone, which needs no plan and no measurement."""
    summary: Any = {}
    rows = _rows(analysis)
    return Report(Findings(summary, rows, plans=(), saliencies={}, provenance={})).svg()


def _rows(analysis: "Analysis") -> Any:
    return analysis.layers
