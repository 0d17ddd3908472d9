"""What the network still does after global prunings, as it was measured."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from narrows.report.figures.figure import figure
from narrows.report.svg import path, tag
from narrows.report.texts import number, percent

WIDTH, HEIGHT = 440, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 20, 38


def removals(summary: Mapping[str, Any], kind: str = "loss") -> Markup | None:
    """Return the loss, or the accuracy, by the share removed; None where it was not measured."""
    points = [(0.0, summary.get(kind))]
    points += [(row["ratio"], row.get(kind)) for row in summary.get("removals") or ()]
    known = [(ratio, value) for ratio, value in points if value is not None]
    if len(known) < 2:
        return None
    baseline = (summary.get("baseline") or {}).get(kind)
    top = 1.0 if kind == "accuracy" else _top([v for _, v in known], baseline)

    def x(ratio: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ratio

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max(value / top, 0.0), 1.0))

    shapes = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        at = y(share * top)
        text = percent(share) if kind == "accuracy" else f"{share * top:.2g}"
        shapes.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
        shapes.append(tag("text", text, x=LEFT - 7, y=at + 4, class_="tick end"))
        shapes.append(tag("text", percent(share), x=x(share), y=HEIGHT - 20, class_="tick middle"))
    shapes.append(tag("text", "of all channels removed", x=WIDTH - RIGHT, y=HEIGHT - 5,
                      class_="tick end"))  # fmt: skip
    if baseline is not None and y(baseline) > TOP:
        at = y(baseline)
        shapes.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="among"))
        shapes.append(tag("text", "an answer without inputs", x=LEFT + 4, y=at - 5, class_="tick"))
    if cliff := summary.get("cliff"):
        shapes.append(tag("line", x1=x(cliff), x2=x(cliff), y1=TOP, y2=HEIGHT - BOTTOM,
                          class_="cliff"))  # fmt: skip
        shapes.append(tag("text", "cliff", x=x(cliff) + 4, y=TOP + 10, class_="tick"))
    shapes.append(tag("path", d=path(*((x(r), y(v)) for r, v in known)), class_="line measured"))
    shapes += [
        tag("circle", tag("title", f"{percent(r)} removed: {number(v)}"), cx=x(r), cy=y(v), r=3.5,
            class_="point measured")
        for r, v in known
    ]  # fmt: skip
    told = ", ".join(f"{number(value)} at {percent(ratio)}" for ratio, value in known)
    title = f"Measured {kind} against removal"
    return figure("removals", title, f"{title}: {told}.", shapes, width=WIDTH, height=HEIGHT,
                  of=f"-{kind}")  # fmt: skip


def _top(values: Sequence[float], baseline: float | None) -> float:
    """Return the largest loss that is drawn: of one far above the baseline, the rest is cut off."""
    most = max(values)
    return min(most, 2.5 * max(baseline, values[0])) if baseline and baseline > 0 else most or 1.0
