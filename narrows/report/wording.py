"""What a report says in whole sentences."""

from collections.abc import Sequence
from typing import Any

from narrows.report.findings import Findings
from narrows.report.layer import LayerView
from narrows.wording import counted, text_of

NAMED = 3


def headline(findings: Findings) -> str:
    """Return what matters most, in one or two sentences."""
    if findings.summary.get("doubt"):
        return "Every verdict is withheld."
    bottlenecks, suspected = findings.having("bottleneck"), findings.having("suspected")
    if bottlenecks:
        are = "is a bottleneck" if len(bottlenecks) == 1 else "are bottlenecks"
        text = f"{_listed(bottlenecks)} {are}."
    elif suspected:
        are = "is a suspect" if len(suspected) == 1 else "are suspects"
        text = f"No layer is certainly a bottleneck; {_listed(suspected)} {are}."
    else:
        text = "No layer was named a bottleneck."
    first = [layer for layer in findings.widen_first if layer not in bottlenecks]
    if first:
        text += f" More parameters promise most in {_listed(first)}."
    return text


def _listed(layers: Sequence[LayerView]) -> str:
    names = [layer.name for layer in layers[:NAMED]]
    more = len(layers) - len(names)
    if more:
        names.append(f"{more} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def cliff(findings: Findings) -> str:
    """Return up to which removal half of what was learned is left; "" where that is not known."""
    at = findings.summary.get("cliff")
    if at is None:
        return ""
    if at:
        return f"Up to {at:.0%} removed, at least half of what the network has learned is left."
    return "No removal that was tried leaves half of what the network has learned."


def provenance(findings: Findings) -> list[tuple[str, str]]:
    """Return how the result was computed, as pairs of a word and a text."""
    rows = [("analysis", findings.identity)] if findings.identity else []
    rows += [(word, text) for word, text in findings.origin]
    rows += [
        (name.replace("_", " "), _text(value))
        for name, value in findings.provenance.items()
        if value is not None
    ]
    rows.append(("pruning ratio", f"{findings.pruning_ratio:.0%}"))
    rows.append(("samples", counted(findings.summary.get("samples") or 0, "sample")))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return text_of(value)
