"""The widths of all layers by plan, before and after."""

from collections.abc import Sequence

from markupsafe import Markup

from narrows.comparison import Row
from narrows.report.figures.chart import Chart
from narrows.report.figures.logarithmic import logarithmic
from narrows.report.layer import LayerView
from narrows.report.stages import Stage
from narrows.report.svg import steps, tag

MOST = 5
"""So many plans can be told apart; the table has all."""


def plans(layers: Sequence[LayerView], stages: Sequence[Stage], of: Sequence[Row]) -> Markup | None:
    """Return today's widths and those of each plan as lines; None where none changes."""
    changing = [plan for plan in of if plan["layers"]][:MOST]
    if not changing:
        return None
    after = [{row["name"]: row["new_width"] for row in plan["layers"]} for plan in changing]
    widths = [layer.row["width"] for layer in layers]
    drawn = logarithmic([*widths, *(width for new in after for width in new.values())], base=2)
    if drawn is None:
        return None
    scale, powers = drawn
    chart = Chart(layers, stages, scale)
    today = [
        (chart.left(place + 0.06), chart.left(place + 0.94), chart.y(width))
        for place, width in enumerate(widths)
    ]
    shapes = [tag("path", d=steps(today), class_="line today")]
    for number, new in enumerate(after):
        spans = [
            (chart.left(place + 0.06), chart.left(place + 0.94), chart.y(new[layer.name]))
            for place, layer in enumerate(layers)
            if layer.name in new
        ]
        shapes.append(tag("path", d=steps(spans), class_=f"line plan{number}"))
    legend = [("line today", "today")]
    legend += [(f"line plan{number}", plan["name"][:24]) for number, plan in enumerate(changing)]
    names = ", ".join(plan["name"] for plan in changing)
    return chart.draw(
        "plans",
        "Widths by plan",
        f"The width of each layer today, and its new width by the plans {names}, on a logarithmic "
        "scale.",
        [(power, f"{power:,.0f}") for power in powers],
        shapes,
        legend,
    )
