"""The saliency of each channel of a layer, in the order of a global pruning."""

from collections.abc import Sequence

from markupsafe import Markup

from narrows.report.figures.figure import figure
from narrows.report.figures.logarithmic import logarithmic
from narrows.report.svg import steps, tag

WIDTH, HEIGHT, MARGIN, TOP = 760, 190, 52, 22


def channels(saliencies: Sequence[float], kept: int, verdict: str) -> Markup | None:
    """Return a step for each channel, from the last to go to the first; the first `kept` stay.

    `saliencies` are in that order, of any sign; those that are not positive are drawn at the
    bottom. None where none is positive.
    """
    drawn = logarithmic(saliencies)
    if drawn is None:
        return None
    scale, powers = drawn
    each, bottom = (WIDTH - MARGIN) / len(saliencies), TOP + HEIGHT

    def y(value: float) -> float:
        return bottom - HEIGHT * min(max(scale(value), 0.01), 1.0)  # a hint of the least

    def part(start: int, stop: int, kind: str) -> Markup:
        line = [
            (MARGIN + i * each, MARGIN + (i + 1) * each, y(saliencies[i]))
            for i in range(start, stop)
        ]
        d = f"{steps(line)}V{bottom}H{MARGIN + start * each:.1f}Z"
        return tag("path", d=d, class_=f"area edge {kind}")

    shapes = [
        shape
        for power in powers
        for shape in (
            tag("line", x1=MARGIN, x2=WIDTH, y1=y(power), y2=y(power), class_="grid"),
            tag("text", f"{power:g}", x=MARGIN - 7, y=y(power) + 4, class_="tick end"),
        )
    ]
    if kept:
        shapes += [part(0, kept, verdict), tag("text", "stay", x=MARGIN, y=12, class_="tick")]
    if kept < len(saliencies):
        go = MARGIN + kept * each
        shapes += [
            part(kept, len(saliencies), "undecided"),
            tag("line", x1=go, x2=go, y1=TOP - 6, y2=bottom, class_="among"),
            tag("text", "go", x=WIDTH, y=12, class_="tick end"),
        ]
    return figure(
        "channels",
        "Saliency of each channel",
        f"A step for each of {len(saliencies)} channels on a logarithmic scale, from the last to "
        f"go in a global pruning to the first; {kept} stay.",
        shapes,
        width=WIDTH,
        height=bottom + 8,
    )
