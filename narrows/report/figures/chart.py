"""Charts with a place for each layer, side by side in the network's order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from narrows.report.figures.figure import figure
from narrows.report.layer import LayerView
from narrows.report.stages import Stage
from narrows.report.svg import tag

MARGIN, END, TOP = 52, 12, 26
"""The space left of the chart for its axis, right of it, and above it, in pixels."""
NARROWEST, WIDEST = 400, 1088
"""The least and the largest width, in pixels: that of a phone, and of a page."""
EACH, NAMED = 34, 28
"""The width of a layer, if there is room, and up to how many layers the axis has their names."""
CHARACTER = 6.2


@dataclass(frozen=True)
class Chart:
    """A chart of layers; `scale` maps values to shares of its height, 0 at the bottom."""

    layers: Sequence[LayerView]
    stages: Sequence[Stage]
    scale: Callable[[float], float]
    plot: int = 190
    """The height of what is drawn, without the axes, in pixels."""
    above: int = 0
    """The height of what is drawn above that."""

    @property
    def width(self) -> int:
        """The width in pixels."""
        return min(max(MARGIN + END + EACH * len(self.layers), NARROWEST), WIDEST)

    @property
    def top(self) -> int:
        """Where the scale ends."""
        return TOP + self.above

    @property
    def each(self) -> float:
        """The width of a layer's place."""
        return (self.width - MARGIN - END) / max(len(self.layers), 1)

    def left(self, place: float) -> float:
        """Return where a place begins; halves are the middles."""
        return MARGIN + place * self.each

    def y(self, value: float) -> float:
        """Return the height at which a value is drawn."""
        return self.top + self.plot * (1 - min(max(self.scale(value), 0.0), 1.0))

    def draw(
        self,
        name: str,
        title: str,
        description: str,
        ticks: Iterable[tuple[float, str]],
        shapes: Iterable[Markup],
        legend: Iterable[tuple[str, str]] = (),
    ) -> Markup:
        """Return the figure: a grid at `ticks` (value and text), `shapes`, the axes, the legend."""
        stages = len(self.layers) > NAMED
        names = (
            22 if stages else 12 + CHARACTER * max(len(_end(x.name)) for x in self.layers) * 0.72
        )
        return figure(
            name,
            title,
            description,
            [
                *self._grid(ticks),
                *shapes,
                *self._verdicts(),
                *(self._stages() if stages else self._names()),
                *_legend(legend),
            ],
            width=self.width,
            height=round(self.top + self.plot + 22 + names),
        )

    def _grid(self, ticks: Iterable[tuple[float, str]]) -> Iterable[Markup]:
        for value, text in ticks:
            y = self.y(value)
            yield tag("line", x1=MARGIN, x2=self.width - END, y1=y, y2=y, class_="grid")
            yield tag("text", text, x=MARGIN - 7, y=y + 4, class_="tick end")

    def _verdicts(self) -> Iterable[Markup]:
        """Yield the sign of each layer that stands out, below its place."""
        for place, layer in enumerate(self.layers):
            if layer.verdict in ("bottleneck", "suspected", "redundant"):
                x, y = self.left(place + 0.5), self.top + self.plot + 15
                sign = tag("text", layer.glyph, tag("title", f"{layer.name}: {layer.verdict}"),
                           x=x, y=y, class_=f"sign {layer.verdict}")  # fmt: skip
                yield sign

    def _names(self) -> Iterable[Markup]:
        for place, layer in enumerate(self.layers):
            x, y = self.left(place + 0.5) + 3, self.top + self.plot + 30
            at = f"translate({x:.1f} {y}) rotate(-45)"
            yield tag("text", _end(layer.name), transform=at, class_="tick end")

    def _stages(self) -> Iterable[Markup]:
        bottom = self.top + self.plot
        for stage in self.stages:
            place = stage.layers[0].index - self.layers[0].index
            start, stop = self.left(place), self.left(place + len(stage.layers))
            yield tag("line", x1=start, x2=start, y1=bottom + 22, y2=bottom + 36, class_="grid")
            room = int((stop - start - 6) / CHARACTER)
            if room >= 3:
                yield tag("text", _end(stage.name, room), x=start + 4, y=bottom + 34, class_="tick")


def _legend(entries: Iterable[tuple[str, str]]) -> Iterable[Markup]:
    x: float = MARGIN
    for kind, text in entries:
        yield tag("line", x1=x, x2=x + 18, y1=10, y2=10, class_=kind)
        yield tag("text", text, x=x + 23, y=14, class_="tick")
        x += 23 + CHARACTER * len(text) + 14


def _end(name: str, longest: int = 18) -> str:
    return name if len(name) <= longest else f"…{name[-longest + 1 :]}"
