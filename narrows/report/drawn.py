"""The figures of a report by name, drawn when they are asked for."""

from collections.abc import Callable, Mapping
from typing import Final

from markupsafe import Markup

from narrows.report.figures.figure import standing_alone
from narrows.report.figures.network import network
from narrows.report.figures.plans import plans
from narrows.report.figures.ratios import ratios
from narrows.report.figures.removals import removals
from narrows.report.figures.saliencies import saliencies
from narrows.report.figures.worth import score, worth
from narrows.report.findings import Findings

ALONE = 760
"""The width of the network's drawing in a file of its own, in pixels."""


def _network(findings: Findings) -> Markup | None:
    widest = max((layer.row["width"] for layer in findings.layers), default=1)
    return network(findings.layers, widest) if findings.layers else None


_CHARTS: Final[Mapping[str, Callable[[Findings], Markup | None]]] = {
    "ratios": lambda f: ratios(f.layers, f.stages, f.pruning_ratio),
    "worth": lambda f: worth(f.layers, f.stages),
    "score": lambda f: score(f.layers, f.stages),
    "saliencies": lambda f: saliencies(f.layers, f.stages),
    "removals": lambda f: removals(f.summary),
    "accuracy": lambda f: removals(f.summary, "accuracy"),
    "plans": lambda f: plans(f.layers, f.stages, f.plans),
}


class Drawn(dict[str, Markup | None]):
    """All figures but the network's, each drawn when it is first asked for.

    None for what was not measured.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def __missing__(self, name: str) -> Markup | None:
        self[name] = svg = _CHARTS[name](self._findings)
        return svg


def alone(findings: Findings, name: str) -> str | None:
    """Return a figure of `FIGURES` as an SVG file; None where there is nothing to draw."""
    if name == "network":
        svg = _network(findings)
        return svg and standing_alone(svg, ALONE)
    svg = _CHARTS[name](findings)
    return svg and standing_alone(svg)
