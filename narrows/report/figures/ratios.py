"""Layer-wise pruning ratios over the sweep, as in the paper, with their intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from markupsafe import Markup

from narrows.report.figures.chart import Chart
from narrows.report.layer import LayerView
from narrows.report.stages import Stage
from narrows.report.svg import steps, tag
from narrows.report.texts import percent, span

BESIDE = (0.3, 0.7, 0.9)
"""The global ratios that are drawn as lines beside the one that the analysis pruned at."""
MANY = 40
"""Lines of more layers can't be followed: shades show their sweep instead."""
SHADES, SHADE = 5, 11
"""The number of shades, and the height of a row of them in pixels."""


def ratios(layers: Sequence[LayerView], stages: Sequence[Stage], ratio: float) -> Markup | None:
    """Return the figure; None where no layer can be pruned. `ratio` is that of the analysis."""
    known = sorted({r for layer in layers for r, _, _ in layer.sweep})
    if not known:
        return None
    main = min(known, key=lambda r: abs(r - ratio))
    if len(layers) > MANY:
        return _shaded(Chart(layers, stages, lambda share: share), main, known[1::2])
    beside = [r for r in BESIDE if r in known and abs(r - main) > 0.1]
    chart = Chart(layers, stages, lambda share: share)
    shapes = [*_bars(chart, main)]
    for number, r in enumerate(beside):
        band, line = _line(chart, r)
        shapes += [tag("path", d=band, class_=f"band ratio{number}")] if band else []
        shapes.append(tag("path", d=line, class_=f"line ratio{number}"))
    legend = [("bar-line", f"{percent(main)} of all removed")]
    legend += [(f"line ratio{number}", percent(r)) for number, r in enumerate(beside)]
    return chart.draw(
        "ratios",
        "Pruning ratio by layer",
        f"The share of each layer that a global pruning by {percent(main)} removes, as bars with "
        f"95 % intervals; lines for global prunings by {', '.join(map(percent, beside))}.",
        [(tick / 4, percent(tick / 4)) for tick in range(5)],
        shapes,
        legend,
    )


def _shaded(chart: Chart, main: float, rows: Sequence[float]) -> Markup:
    """Return the figure with a row of shades above the bars for each global ratio."""
    chart = replace(chart, above=len(rows) * SHADE + 14)
    shapes = [*_bars(chart, main), *_shades(chart, rows)]
    for number, ratio in enumerate(rows):
        if number % 2 == 0:
            y = chart.top + number * SHADE + 9 - chart.above
            shapes.append(tag("text", percent(ratio), x=chart.left(0) - 7, y=y, class_="tick end"))
    legend = [("bar-line", f"{percent(main)} of all removed")]
    legend += [(f"shade shade{shade}", f"{percent(shade / (SHADES - 1))} of the layer")
               for shade in (0, 2, 4)]  # fmt: skip
    return chart.draw(
        "ratios",
        "Pruning ratio by layer",
        f"Above, a row of shades for each global pruning ratio, darker where more of a layer is "
        f"removed. Below, the share that a global pruning by {percent(main)} removes, as bars with "
        "95 % intervals.",
        [(tick / 4, percent(tick / 4)) for tick in range(5)],
        shapes,
        legend,
    )


def _shades(chart: Chart, rows: Sequence[float]) -> Iterator[Markup]:
    """Yield the cells of each shade as one path; equal neighbours are one cell."""
    cells: dict[int, list[str]] = {}
    for number, ratio in enumerate(rows):
        y = chart.top - chart.above + number * SHADE
        shades = [
            next((round(share * (SHADES - 1)) for r, share, _ in layer.sweep if r == ratio), None)
            for layer in chart.layers
        ]
        place = 0
        for shade, run in groupby(shades):
            count = len(list(run))
            if shade is not None:
                left, right = chart.left(place), chart.left(place + count)
                cell = f"M{left:.1f} {y}H{right:.1f}v{SHADE - 1}H{left:.1f}Z"
                cells.setdefault(shade, []).append(cell)
            place += count
    for shade, paths in sorted(cells.items()):
        yield tag("path", d="".join(paths), class_=f"shade shade{shade}")


def _bars(chart: Chart, ratio: float) -> Iterator[Markup]:
    for place, layer in enumerate(chart.layers):
        for r, share, limits in layer.sweep:
            if r != ratio:
                continue
            x, width, top = chart.left(place + 0.14), chart.each * 0.72, chart.y(share)
            told = f"{layer.name}: {percent(share)} {f'({span(limits)})' if limits else ''}"
            yield tag(
                "rect", tag("title", told), x=x, y=top - 1, width=width,
                height=chart.y(0) - top + 1, class_=f"bar {layer.verdict}",
            )  # fmt: skip
            if limits and limits[0] < limits[1]:
                low, high = map(chart.y, limits)
                middle = chart.left(place + 0.5)
                yield tag("line", x1=middle, x2=middle, y1=low, y2=high, class_="whisker")


def _line(chart: Chart, ratio: float) -> tuple[str, str]:
    """Return the path of the band between the intervals' ends, and of the line."""
    spans, bands = [], []
    for place, layer in enumerate(chart.layers):
        for r, share, limits in layer.sweep:
            if r == ratio:
                left, right = chart.left(place), chart.left(place + 1)
                spans.append((left, right, chart.y(share)))
                if limits and limits[0] < limits[1]:
                    low, high = map(chart.y, limits)
                    bands.append(f"M{left:.1f} {low:.1f}H{right:.1f}V{high:.1f}H{left:.1f}Z")
    return "".join(bands), steps(spans)
