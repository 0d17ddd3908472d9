"""What the variants of a trial gained, beside what was predicted."""

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10
from typing import NamedTuple

from markupsafe import Markup

from narrows.report.figures.figure import figure
from narrows.report.svg import tag
from narrows.report.texts import number

WIDTH, EDGE, TOP, EACH, BOTTOM = 440, 24, 26, 42, 36
"""In pixels; `EACH` is the height of a variant."""
TICKS = 5
Interval = tuple[float, float]


class Gained(NamedTuple):
    """The fall of the held-out loss of a variant, and the interval in which it was predicted."""

    variant: str
    value: float
    interval: Interval | None
    predicted: Interval | None

    @property
    def told(self) -> str:
        """The same as text."""
        text = f"{self.variant} {number(self.value)}"
        if self.interval:
            text += f" ({' to '.join(map(number, self.interval))})"
        if self.predicted:
            text += f", predicted {' to '.join(map(number, self.predicted))}"
        return text


def gains(rows: Sequence[Gained]) -> Markup | None:
    """Return a point with its interval for each variant; None where there is no variant."""
    if not rows:
        return None
    values = [v for row in rows for v in (row.value, *(row.interval or ()), *(row.predicted or ()))]
    ticks = _ticks(min(0.0, *values), max(0.0, *values))
    unit = (WIDTH - 2 * EDGE) / ((ticks[-1] - ticks[0]) or 1)
    bottom = TOP + EACH * len(rows)

    def x(value: float) -> float:
        return EDGE + unit * (value - ticks[0])

    shapes = list(_legend(any(row.predicted for row in rows)))
    for tick in ticks:
        at = x(tick)
        kind = "grid" if tick else "among"
        shapes.append(tag("line", x1=at, x2=at, y1=TOP, y2=bottom, class_=kind))
        shapes.append(tag("text", f"{tick:.3g}", x=at, y=bottom + 14, class_="tick middle"))
    shapes.append(tag("text", "less loss →", x=WIDTH - EDGE, y=bottom + 30, class_="tick end"))
    for place, row in enumerate(rows):
        y = TOP + EACH * place + 28
        shapes.append(tag("text", row.variant, x=EDGE, y=y - 12, class_="name"))
        for limits, kind in ((row.predicted, "bar-line"), (row.interval, "whisker")):
            if limits:
                low, high = map(x, limits)
                shapes.append(tag("line", x1=low, x2=high, y1=y, y2=y, class_=kind))
        point = {"cx": x(row.value), "cy": y, "r": 4, "class_": "point measured"}
        shapes.append(tag("circle", tag("title", row.told), **point))
    title = "Gain of each variant"
    told = "; ".join(row.told for row in rows)
    return figure("gains", title, f"{title}: {told}.", shapes, width=WIDTH, height=bottom + BOTTOM)


def _legend(predicted: bool) -> Iterator[Markup]:
    entries = [("whisker", "measured, 95 %"), ("bar-line", "predicted, 95 %")]
    for place, (kind, text) in enumerate(entries[: 1 + predicted]):
        x = EDGE + 140 * place
        yield tag("line", x1=x, x2=x + 18, y1=10, y2=10, class_=kind)
        yield tag("text", text, x=x + 23, y=14, class_="tick")


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers from at most `low` to at least `high`.

    >>> _ticks(-0.012, 0.05), _ticks(0.0, 0.0)
    ([-0.02, 0.0, 0.02, 0.04, 0.06], [0.0])
    """
    rough = (high - low) / TICKS
    if rough <= 0:
        return [low]
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [place * step for place in range(floor(low / step), ceil(high / step) + 1)]
