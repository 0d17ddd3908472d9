"""How numbers and verdicts are written in reports and in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from narrows.results.table import times

GLYPHS: Final = {
    "bottleneck": "▲",
    "suspected": "△",
    "balanced": "●",
    "redundant": "▼",
    "undecided": "?",
    "not_prunable": "■",
}
"""A sign beside each verdict: colour alone is not seen by all."""
MEANINGS: Final = {
    "bottleneck": "a candidate for widening",
    "suspected": "more samples would settle it",
    "balanced": "nothing unusual",
    "redundant": "a candidate for pruning",
    "undecided": "the data allow no verdict",
    "not_prunable": "its channels can't be removed",
}


def words(verdict: str) -> str:
    """Return a verdict as it is read: `not prunable`."""
    return verdict.replace("_", " ")


def short(count: float) -> str:
    """Return a count with three significant digits.

    >>> short(1234567), short(999_999)
    ('1.23 M', '1 M')
    """
    for unit in ("", " k", " M", " G"):
        if count < 999.5:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g} T"


def size(count: int) -> str:
    """Return a number of bytes.

    >>> size(999), size(46_830_571)
    ('999 B', '46.8 MB')
    """
    text = short(count)
    return f"{text}B" if text[-1].isalpha() else f"{text} B"


def number(value: float | None) -> str:
    """Return a number with four digits; null stands for one that JSON has not, such as NaN."""
    return "unknown" if value is None else f"{value:.4g}"


def percent(share: float | None) -> str:
    """Return a share in percent; "" for None."""
    return "" if share is None else f"{share:.0%}"


def change(before: float, after: float) -> str:
    """Return by how much a cost changes, in percent.

    >>> change(200, 250), change(10_000, 9_999), change(0, 1)
    ('+25.0%', '+0.0%', '')
    """
    return f"{round((after - before) / before, 3) + 0.0:+.1%}" if before else ""


def span(limits: Sequence[float] | None, write: Any = percent) -> str:
    """Return an interval, both ends written by `write`; "" for None.

    >>> span((0.1, 0.25)), span((4.2, 6.31), times)
    ('10%–25%', '4.2×–6.3×')
    """
    return "–".join(map(write, limits or ()))


def quality(measured: Mapping[str, Any]) -> str:
    """Return loss and accuracy, as far as they are there.

    >>> quality({"loss": 0.21, "accuracy": 0.934}), quality({"loss": 0.5, "accuracy": None})
    ('loss 0.21, accuracy 93.4%', 'loss 0.5')
    """
    parts = [f"loss {number(measured.get('loss'))}"]
    if measured.get("accuracy") is not None:
        parts.append(f"accuracy {measured['accuracy']:.1%}")
    return ", ".join(parts)


def of_layer_alone(because: str) -> str:
    """Return what a layer's `because` says without the network's score, which is told once.

    >>> of_layer_alone("score 0.95, p 0.01; the network has loss 0.2")
    'score 0.95, p 0.01'
    """
    return because.partition("; the network has")[0]


__all__ = [
    "GLYPHS",
    "MEANINGS",
    "change",
    "number",
    "of_layer_alone",
    "percent",
    "quality",
    "short",
    "size",
    "span",
    "times",
    "words",
]
