"""The network as it flows: a block for each layer, as wide as the layer has channels.

Blocks keep their place across the page by percentages, so that the drawing fits a phone and a wide
screen with texts of one size. Lines left of the blocks join layers that share their channels, lines
right of them are connections that pass other layers by.
"""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from narrows.report import texts
from narrows.report.figures.figure import figure
from narrows.report.figures.lanes import Line, lanes
from narrows.report.layer import LayerView
from narrows.report.svg import path, tag

ROW, TOP = 46, 6
"""The height of a layer's row, and the space above the first, in pixels."""
BLOCK, BELOW = 16, 24
"""The height of a block, and where in its row it begins, below its text."""
LEFT, RIGHT = 9, 89
"""Where the blocks' place begins and ends, in percent of the page."""
ACROSS = 1000
"""The units from one to the other."""
LANE, LANES = 6, 5
LEAST = 5
"""The least width of a block, in these units."""


def network(
    layers: Sequence[LayerView], widest: int, of: str = "", *, linked: bool = False
) -> Markup:
    """Return the drawing of consecutive layers; `widest` is the largest width of all.

    `linked` names lead to the layers' rows on the same page.
    """
    named = [layer for layer in layers if layer.verdict in ("bottleneck", "suspected")]
    found = ", ".join(f"{layer.name} is {layer.verdict}" for layer in named)
    height = TOP + len(layers) * ROW
    rows = _Rows(layers, widest)
    return figure(
        "network",
        f"The layers from {layers[0].name} to {layers[-1].name} as they flow",
        f"{len(layers)} layers from top to bottom, each as wide as it has channels. "
        f"{found or 'None is a bottleneck'}.",
        [
            tag(
                "svg",
                *rows.funnels(),
                *rows.links(),
                *map(rows.block, layers),
                x=f"{LEFT}%",
                width=f"{RIGHT - LEFT}%",
                height=height,
                viewBox=f"0 0 {ACROSS} {height}",
                preserveAspectRatio="none",
            ),
            tag("svg", *_beside(rows.shared(), -1), x=f"{LEFT}%", height=height, class_="beside"),
            tag("svg", *_beside(rows.passing(), 1), x=f"{RIGHT}%", height=height, class_="beside"),
            *(label for layer in layers for label in _labels(layer, rows, linked=linked)),
        ],
        height=height,
        of=of,
        role="group",
    )


class _Rows:
    """The layers from top to bottom, in pixels downwards and in `ACROSS` units sidewards."""

    def __init__(self, layers: Sequence[LayerView], widest: int) -> None:
        self._layers, self._widest = layers, max(widest, 1)
        self._first, self._bottom = layers[0].index, TOP + len(layers) * ROW

    def top(self, index: int) -> int:
        """Return where a layer's block begins: above or below the drawing for one of another."""
        row = min(max(index - self._first, -1), len(self._layers))
        return TOP + row * ROW + BELOW

    def _middle(self, index: int) -> int:
        return min(max(self.top(index) + BLOCK // 2, 0), self._bottom)

    def _ends(self, layer: LayerView) -> tuple[float, float]:
        half = max(LEAST, ACROSS * layer.row["width"] / self._widest) / 2
        return ACROSS / 2 - half, ACROSS / 2 + half

    def block(self, layer: LayerView) -> Markup:
        """Return the block of a layer, whose colour is its verdict and its worth."""
        left, right = self._ends(layer)
        return tag(
            "rect",
            x=left,
            y=self.top(layer.index),
            width=right - left,
            height=BLOCK,
            class_=f"block {layer.verdict} depth{layer.depth}",
        )

    def funnels(self) -> Iterator[Markup]:
        """Yield what flows from each layer into the next, where that reads it."""
        for above, layer in zip(self._layers, self._layers[1:], strict=False):
            if above.index in layer.sources:
                (a, b), (c, d) = self._ends(above), self._ends(layer)
                start, stop = self.top(above.index) + BLOCK, self.top(layer.index)
                corners = path((a, start), (b, start), (d, stop), (c, stop))
                yield tag("path", d=f"{corners}Z", class_="funnel")

    def links(self) -> Iterator[Markup]:
        """Yield the lines from blocks to the lines beside them."""
        by_index = {layer.index: layer for layer in self._layers}
        shared = {index for members in self._groups() for index in members}
        passing = {index for start, stop, _ in self._connections() for index in (start, stop)}
        for index, layer in by_index.items():
            left, right = self._ends(layer)
            y = self._middle(index)
            if index in shared:
                yield tag("path", d=path((0, y), (left, y)), class_="shared")
            if index in passing:
                yield tag("path", d=path((right, y), (ACROSS, y)), class_="passing")

    def shared(self) -> Iterator[Line]:
        """Yield a line for each channel group of several layers."""
        for members in self._groups():
            heights = tuple(float(self._middle(index)) for index in members)
            yield Line(heights[0], heights[-1], heights, "shared")

    def passing(self) -> Iterator[Line]:
        """Yield a line for each connection that passes layers by."""
        for start, stop, kind in self._connections():
            ends = float(self._middle(start)), float(self._middle(stop))
            inside = (y for y, index in zip(ends, (start, stop), strict=True) if self._has(index))
            yield Line(*ends, tuple(inside), kind)

    def _has(self, index: int) -> bool:
        return 0 <= index - self._first < len(self._layers)

    def _groups(self) -> list[list[int]]:
        members: dict[int, list[int]] = {}
        for layer in self._layers:
            if layer.row["group"] is not None:
                members.setdefault(layer.row["group"], []).append(layer.index)
        return [indices for indices in members.values() if len(indices) > 1]

    def _connections(self) -> Iterator[tuple[int, int, str]]:
        for layer in self._layers:
            for source in layer.sources:
                if source != layer.index - 1:
                    yield source, layer.index, "passing"
            for source in layer.joining:
                yield source, layer.index, "passing joining"


def _labels(layer: LayerView, rows: _Rows, *, linked: bool) -> Iterator[Markup]:
    """Yield the name of a layer, and what is known of it."""
    y = rows.top(layer.index) - 7
    name = tag("text", layer.short_name, x=f"{LEFT}%", y=y, class_="name")
    told = {"data_name": layer.name, "data_verdict": texts.words(layer.verdict)}
    yield tag("a", name, href=f"#{layer.anchor}", **told) if linked else name
    parts = [f"{layer.row['width']:,}", texts.times(layer.row.get("worth_ratio"))]
    if layer.verdict != "balanced":
        parts.append(f"{layer.glyph} {texts.words(layer.verdict)}")
    text = " · ".join(filter(None, parts))
    yield tag("text", text, x=f"{RIGHT}%", y=y, class_=f"told {layer.verdict}")


def _beside(lines: Iterator[Line], direction: int) -> Iterator[Markup]:
    """Yield the lines beside the blocks, to the left (−1) or right (1) of them."""
    for lane, line in lanes(lines, LANES):
        x = direction * (lane + 1) * LANE
        ends = "".join(path((0, y), (x, y)) for y in line.stops)
        yield tag("path", d=path((x, line.start), (x, line.stop)) + ends, class_=line.kind)
        if direction < 0:
            yield from (tag("circle", cx=x, cy=y, r=2.5, class_="shared") for y in line.stops)
