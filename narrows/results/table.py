"""The table of an analysis, for a terminal and for a notebook, with the command line's columns."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from narrows.wording import counted

if TYPE_CHECKING:
    from narrows.analysis import Analysis

COLUMNS = ("layer", "width", "pruned", "worth", "promise", "95 %", "widen", "verdict")
_NUMBERS = frozenset({"width", "pruned", "worth", "promise", "95 %", "widen"})
"""The columns that are aligned to the right."""


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a layer's row (`rows.layer_rows`) as texts, one for each of `COLUMNS`.

    >>> cells({"name": "conv1", "width": 8, "pruning_ratio": 0.25,
    ...        "worth_ratio": 3.6, "promise": 5.13, "promise_interval": (4.2, 6.31),
    ...        "widen_rank": 1, "verdict": "bottleneck"})
    ('conv1', '8', '25%', '3.6×', '5.1×', '4.2–6.3', '1', 'bottleneck')
    """
    share, limits = row["pruning_ratio"], row["promise_interval"]
    return (
        row["name"],
        str(row["width"]),
        "" if share is None else f"{share:.0%}",
        times(row["worth_ratio"]),
        times(row["promise"]),
        "–".join(times(end).removesuffix("×") for end in limits or ()),
        "" if row["widen_rank"] is None else str(row["widen_rank"]),
        row["verdict"],
    )


def times(ratio: float | None) -> str:
    """Return a ratio with one digit behind the point below 10; "" for None.

    >>> times(3.62), times(12.4), times(None)
    ('3.6×', '12×', '')
    """
    if ratio is None:
        return ""
    return f"{ratio:.1f}×" if ratio < 9.95 else f"{ratio:.0f}×"


def foot(analysis: "Analysis") -> list[str]:
    """Return the lines below the table: what was measured, and what to know about it."""
    samples = counted(analysis.samples, "sample")
    lines = [f"{samples}, {analysis.score}"]
    if analysis.baseline:
        lines[0] += f"; {analysis.baseline}"
    if analysis.doubt:
        lines.append(f"No verdict: {analysis.doubt}.")
    cliff = analysis.removals.cliff
    if cliff is not None:
        lines.append(
            f"A global pruning by {cliff:.0%} keeps half of what the network has learned."
            if cliff
            else "Even a global pruning by 10% loses half of what the network has learned."
        )
    return lines + _gains(analysis)


def _gains(analysis: "Analysis") -> list[str]:
    """Return which layer is expected to gain most by more parameters, and what that rests on."""
    found = {
        name: gains["parameters"]
        for name, gains in analysis.expected_gains.items()
        if "parameters" in gains
    }
    if not found:
        return []
    name, (gain, (low, high)) = max(found.items(), key=lambda item: item[1].gain)
    return [
        f"Widening {name} is expected to gain most: {gain:.2g} less loss ({low:.2g} to {high:.2g}) "
        f"for each 1% more parameters.",
        analysis.gain_basis,
    ]


def as_text(analysis: "Analysis") -> str:
    """Return the table in fixed-width characters, one line for each layer, and its foot."""
    table = [COLUMNS, *map(cells, analysis.layers)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if heading in _NUMBERS else text.ljust(width)
            for heading, text, width in zip(COLUMNS, row, widths, strict=True)
        ).rstrip()
        for row in table
    ]
    return "\n".join([*lines, *foot(analysis)])


def as_html(analysis: "Analysis") -> str:
    """Return the table in HTML, for a notebook; all texts are escaped."""
    body = (_html_row("td", cells(row)) for row in analysis.layers)
    below = "".join(f"<p>{escape(line)}</p>" for line in foot(analysis))
    head = _html_row("th", COLUMNS)
    return f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>{below}"


def _html_row(tag: str, texts: tuple[str, ...]) -> str:
    aligned = (
        f'<{tag} style="text-align: {"right" if heading in _NUMBERS else "left"}">'
        f"{escape(text)}</{tag}>"
        for heading, text in zip(COLUMNS, texts, strict=True)
    )
    return f"<tr>{''.join(aligned)}</tr>"
