"""The report as one page of HTML that needs nothing else: no network, no other file.

Every name in it comes from uploads and requests. So Jinja escapes whatever is no figure of ours,
ids are numbers, and by the page's own policy no script runs but its one.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from narrows.comparison import Row
from narrows.report import texts
from narrows.report.drawn import Drawn
from narrows.report.figures.figure import hashed, style
from narrows.report.figures.network import network
from narrows.report.figures.saliencies import curve
from narrows.report.figures.small import sweep
from narrows.report.findings import Findings
from narrows.report.layer import LayerView
from narrows.report.stages import Stage
from narrows.report.wording import cliff, headline, provenance
from narrows.wording import counted

SECTIONS = (
    ("summary", "Summary"),
    ("network", "Network"),
    ("ratios", "Pruning"),
    ("layers", "Layers"),
    ("removals", "Cost"),
    ("plans", "Plans"),
    ("left-out", "Left out"),
    ("provenance", "Provenance"),
)

PIECE = 100
"""How many of the template's outputs are a piece of the page."""

FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "counted": counted,
    "number": texts.number,
    "percent": texts.percent,
    "quality": texts.quality,
    "short": texts.short,
    "short_number": lambda value: "" if value is None else f"{value:.2g}",
    "size": texts.size,
    "span": texts.span,
    "span_number": lambda limits: " to ".join(f"{end:.2g}" for end in limits),
    "span_times": lambda limits: texts.span(limits, texts.times),
    "times": texts.times,
    "words": texts.words,
}
"""How numbers and names are written, here and on the pages of a server."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("narrows.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals |= {
        "by_reason": _by_reason,
        "change": texts.change,
        "counts": _counts,
        "sweep": sweep,
        "glyphs": texts.GLYPHS,
        "meanings": texts.MEANINGS,
    }
    return environment


@cache
def _source(name: str) -> Markup:
    environment = _environment()
    assert environment.loader is not None  # noqa: S101 - it is made with one
    return Markup(environment.loader.get_source(environment, name)[0])  # noqa: S704 - ours


@dataclass(frozen=True)
class Site:
    """What stands around the report where a server shows it, among other pages.

    `layers` is the path below which each layer has a page, by its number.
    """

    style: Markup
    script: Markup
    above: Markup
    below: Markup
    layers: str


def policy(site: Site | None = None) -> str:
    """Return the content security policy of a report: its own style and script, nothing else.

    Within a site, it has forms.
    """
    return _policy(_style(site), _script(site), "'self'" if site else "'none'")


@cache
def _policy(style: str, script: str, forms: str) -> str:
    return (
        f"default-src 'none'; style-src {hashed(style)}; script-src {hashed(script)}; "
        f"base-uri 'none'; form-action {forms}"
    )


def _style(site: Site | None) -> Markup:
    return page_style() + (site.style if site else "")


def _script(site: Site | None) -> Markup:
    return _source("report.js") + (site.script if site else "")


def page_style() -> Markup:
    """Return the rules of a report."""
    return _source("report.css") + style()


def page(findings: Findings) -> str:
    """Return the report as a page that is a file of its own."""
    return "".join(pieces(findings))


def pieces(findings: Findings, site: Site | None = None) -> Iterator[str]:
    """Return the pieces of a page, within a site or a file of its own.

    Figures are drawn when their piece is due, so that browsers show the beginning early.
    """
    figures = Drawn(findings)
    largest = max((layer.saliencies[0] for layer in findings.layers if layer.saliencies), default=0)
    has = {
        "ratios": bool(figures["ratios"] or figures["worth"] or figures["score"]),
        "removals": bool(figures["removals"]),
        "plans": bool(findings.plans),
    }
    widest = max((layer.row["width"] for layer in findings.layers), default=1)
    stream = _environment().get_template("report.html").stream(
        findings=findings,
        figures=figures,
        drawing=lambda number: network(
            findings.stages[number].layers, widest, f"-{number}", linked=True
        ),
        sections=[(name, title) for name, title in SECTIONS if has.get(name, True)],
        headline=headline(findings),
        cliff=cliff(findings),
        curve=lambda layer: curve(layer, largest),
        files={artifact["name"]: artifact for artifact in findings.artifacts},
        site=site,
        widths=_widths(findings),
        unreached=list(_unreached(findings)),
        provenance=provenance(findings),
        policy=policy(site),
        style=_style(site),
        script=_script(site),
    )  # fmt: skip
    stream.enable_buffering(PIECE)
    return stream


def _widths(findings: Findings) -> list[tuple[LayerView, list[int | None]]]:
    """Return the layers that change, with their new widths by each plan that changes some."""
    after = [
        {row["name"]: row["new_width"] for row in plan["layers"]}
        for plan in findings.plans
        if plan["layers"]
    ]
    rows = ((layer, [new.get(layer.name) for new in after]) for layer in findings.layers)
    return [(layer, new) for layer, new in rows if any(new)]


def _counts(stage: Stage) -> list[tuple[str, int]]:
    """Return the verdicts of a stage that stand out, with their numbers."""
    found = Counter(layer.verdict for layer in stage.layers)
    return [(name, found[name]) for name in texts.GLYPHS if found[name] and name != "balanced"]


def _by_reason(layers: list[LayerView]) -> list[tuple[str, list[LayerView]]]:
    reasons: dict[str, list[LayerView]] = {}
    for layer in layers:
        reasons.setdefault(layer.why or "The server does not say why.", []).append(layer)
    return list(reasons.items())


def _unreached(findings: Findings) -> Iterator[tuple[str, Row]]:
    for plan in findings.plans:
        for missing in plan.get("incomplete") or ():
            yield plan["name"], missing
