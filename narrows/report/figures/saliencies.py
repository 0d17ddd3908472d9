"""Saliencies: of all layers side by side, and of each channel of a layer."""

from collections.abc import Sequence

from markupsafe import Markup

from narrows.report.figures.chart import Chart
from narrows.report.figures.logarithmic import logarithmic
from narrows.report.figures.small import HEIGHT, WIDTH, small
from narrows.report.layer import LayerView
from narrows.report.stages import Stage
from narrows.report.svg import steps, tag

MOST = 40
"""A curve has a step for each channel, up to so many, or else for that many quantiles."""


def saliencies(layers: Sequence[LayerView], stages: Sequence[Stage]) -> Markup | None:
    """Return the spread of each layer's saliencies; None where none is positive."""
    drawn = logarithmic(value for layer in layers for value in layer.saliencies)
    if drawn is None:
        return None
    scale, powers = drawn
    chart = Chart(layers, stages, scale, plot=170)
    shapes = []
    for place, layer in enumerate(layers):
        if not layer.saliencies:
            continue
        middle, wide = chart.left(place + 0.5), min(chart.each * 0.6, 16)
        high, upper, median, lower, low = (
            chart.y(_quantile(layer.saliencies, share)) for share in (0, 0.25, 0.5, 0.75, 1)
        )
        told = tag("title", f"{layer.name}: median {_quantile(layer.saliencies, 0.5):.2g}")
        shapes += [
            tag("line", x1=middle, x2=middle, y1=high, y2=low, class_=f"reach {layer.verdict}"),
            tag("rect", told, x=middle - wide / 2, y=upper, width=wide,
                height=max(lower - upper, 1), class_=f"box {layer.verdict}"),
            tag("line", x1=middle - wide / 2, x2=middle + wide / 2, y1=median, y2=median,
                class_="median"),
        ]  # fmt: skip
    return chart.draw(
        "saliencies",
        "Saliencies by layer",
        "For each layer the range of its structures' saliencies, the middle half as a box and the "
        "median as a line, on a logarithmic scale.",
        [(power, f"{power:g}") for power in powers],
        shapes,
    )


def curve(layer: LayerView, largest: float) -> Markup:
    """Return a layer's saliencies, the largest first; `largest` is that of the whole network.

    The height is the fourth root, so that small ones can be seen. "" where there are none.
    """
    count = min(len(layer.saliencies), MOST)
    if not count or largest <= 0:
        return Markup("")
    each = WIDTH / count
    values = [_quantile(layer.saliencies, (i + 0.5) / count) for i in range(count)]
    heights = [HEIGHT - (HEIGHT - 3) * (max(value, 0.0) / largest) ** 0.25 for value in values]
    line = steps([(i * each, (i + 1) * each, y) for i, y in enumerate(heights)])
    return small(
        f"{len(layer.saliencies)} saliencies from {layer.saliencies[0]:.2g} down to "
        f"{layer.saliencies[-1]:.2g}",
        [
            tag("path", d=f"{line}V{HEIGHT}H0Z", class_="area edge"),
        ],
        layer.verdict,
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of an ordered sequence lies before."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
