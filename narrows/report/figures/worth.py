"""What a channel of each layer is worth, and its score, each as a point with its interval."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from narrows.report.figures.chart import Chart
from narrows.report.figures.logarithmic import logarithmic
from narrows.report.layer import LayerView
from narrows.report.stages import Stage
from narrows.report.svg import tag
from narrows.report.texts import times


class _Point(NamedTuple):
    value: float
    limits: tuple[float, float] | None


def worth(layers: Sequence[LayerView], stages: Sequence[Stage]) -> Markup | None:
    """Return the figure of worths, in those of the median layer; None where none was measured."""
    points = list(map(_worth, layers))
    found = [p for p in points if p]
    drawn = logarithmic([v for p in found for v in (p.value, *(p.limits or ()))] + [1.0])
    if not found or drawn is None:
        return None
    scale, powers = drawn
    ticks = [(power, f"{power:g}×") for power in powers]
    chart = Chart(layers, stages, scale, plot=150)
    return chart.draw(
        "worth",
        "Worth of a channel by layer",
        "How many typical channels a channel of each layer is worth, with 95 % intervals, on a "
        "logarithmic scale.",
        ticks,
        _points(chart, points, times, among=1.0),
    )


def score(layers: Sequence[LayerView], stages: Sequence[Stage]) -> Markup | None:
    """Return the figure of scores; None where no layer has one."""
    points = [
        None
        if (value := layer.row["score"]) is None
        else _Point(value, _pair(layer.row["score_interval"]))
        for layer in layers
    ]
    if not any(points):
        return None
    chart = Chart(layers, stages, lambda value: value, plot=150)
    return chart.draw(
        "score",
        "Score by layer",
        "The mean rank of each layer's structures, from 0, all are removed first, to 1, all stay "
        "longest, with 95 % intervals.",
        [(0.0, "0"), (0.5, "½"), (1.0, "1")],
        _points(chart, points, lambda value: f"{value:.2f}", among=0.5),
    )


def _worth(layer: LayerView) -> _Point | None:
    ratio, value = layer.row.get("worth_ratio"), layer.row.get("worth")
    if ratio is None or not value:
        return None
    limits = layer.row.get("worth_interval")
    unit = ratio / value
    return _Point(ratio, (limits[0] * unit, limits[1] * unit) if limits else None)


def _points(
    chart: Chart, points: Sequence[_Point | None], write: Callable[[float], str], among: float
) -> list[Markup]:
    """Return a point with its interval for each layer, and a line at the value of a typical one."""
    y = chart.y(among)
    shapes = [tag("line", x1=chart.left(0), x2=chart.left(len(points)), y1=y, y2=y, class_="among")]
    radius = min(4.0, max(1.6, chart.each / 3))
    for place, (layer, point) in enumerate(zip(chart.layers, points, strict=True)):
        if point is None:
            continue
        x = chart.left(place + 0.5)
        told = f"{layer.name}: {write(point.value)}"
        if point.limits:
            low, high = map(chart.y, point.limits)
            told += f" ({write(point.limits[0])} to {write(point.limits[1])})"
            shapes.append(tag("line", x1=x, x2=x, y1=low, y2=high, class_=f"reach {layer.verdict}"))
        shapes.append(
            tag("circle", tag("title", told), cx=x, cy=chart.y(point.value), r=radius,
                class_=f"point {layer.verdict}")
        )  # fmt: skip
    return shapes


def _pair(limits: Sequence[float] | None) -> tuple[float, float] | None:
    return (limits[0], limits[1]) if limits else None
