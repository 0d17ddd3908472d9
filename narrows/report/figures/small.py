"""Small figures within a table's row."""

from collections.abc import Sequence

from markupsafe import Markup

from narrows.report.layer import LayerView
from narrows.report.svg import path, tag

WIDTH, HEIGHT = 96, 32
"""The size of a small figure, in pixels."""


def small(told: str, children: Sequence[str], verdict: str) -> Markup:
    """Return a small figure in the colour of a verdict; `told` is read aloud."""
    return tag("svg", *children, role="img", aria_label=told, class_=f"nrw {verdict}",
               width=WIDTH, height=HEIGHT)  # fmt: skip


def sweep(layer: LayerView) -> Markup:
    """Return a layer's ratio by the global one, with its interval; the diagonal is the average.

    "" where it can't be pruned.
    """
    points = layer.sweep
    if not points:
        return Markup("")
    xs = [WIDTH * ratio for ratio, _, _ in points]
    line = list(zip(xs, (_y(share) for _, share, _ in points), strict=True))
    shapes = [tag("path", d=path((0, HEIGHT), (WIDTH, 0)), class_="grid")]
    limits = [limit for *_, limit in points if limit]
    if len(limits) == len(points):
        low = [(x, _y(ends[0])) for x, ends in zip(xs, limits, strict=True)]
        high = [(x, _y(ends[1])) for x, ends in zip(xs, limits, strict=True)]
        shapes.append(tag("path", d=f"{path(*low, *reversed(high))}Z", class_="area"))
    shapes.append(tag("path", d=path(*line), class_="edge"))
    told = ", ".join(f"{share:.0%} at {ratio:.0%}" for ratio, share, _ in points[1::4])
    return small(told, shapes, layer.verdict)


def _y(share: float) -> float:
    return HEIGHT * (1 - share)
