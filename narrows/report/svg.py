"""Elements of SVG as escaped text.

Figures are drawn by hand: they need bars, lines and labels, follow the reader's colours by CSS, and
take a tenth of the bytes of matplotlib's SVG, which the service would have to load as well.
"""

import re
from typing import Final

from markupsafe import Markup, escape

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element; texts and values are escaped, `None` leaves an attribute out.

    Characters that XML does not have are dropped.

    >>> tag("text", "a < b", x=1 / 3, class_="name", text_anchor=None)
    Markup('<text x="0.3" class="name">a &lt; b</text>')
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return Markup(f"<{name}{written}/>")  # noqa: S704 - names are ours, values escaped
    inside = "".join(map(_escaped, children))
    return Markup(f"<{name}{written}>{inside}</{name}>")  # noqa: S704


def _escaped(value: object) -> Markup:
    escaped = escape(value)
    return Markup(_NOT_XML.sub("", escaped))  # noqa: S704 - still escaped


def path(*points: tuple[float, float]) -> str:
    """Return the path data of a line through points.

    >>> path((0, 0.5), (1, 2))
    'M0 0.5L1 2'
    """
    return "M" + "L".join(f"{_plain(x)} {_plain(y)}" for x, y in points)


def steps(spans: list[tuple[float, float, float]]) -> str:
    """Return the path data of a line that stays at y from x₀ to x₁, for each (x₀, x₁, y).

    >>> steps([(0, 1, 5), (1, 2, 7), (3, 4, 7)])
    'M0 5H1V7H2M3 7H4'
    """
    written, end = "", None
    for start, stop, y in spans:
        written += f"V{_plain(y)}" if start == end else f"M{_plain(start)} {_plain(y)}"
        written += f"H{_plain(stop)}"
        end = stop
    return written


def _plain(value: object) -> object:
    """Return a number with at most one digit behind the point: a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
