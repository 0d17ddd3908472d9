"""Compares two analyses of versions of a network, layer by layer, matched by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from narrows.wording import text_of

ChangeName = Literal[
    "new_bottleneck", "resolved", "worse", "better", "same", "unknown", "added", "removed"
]
CHANGES: Final[tuple[ChangeName, ...]] = get_args(ChangeName)
"""What can have become of a layer, the most urgent first; see docs/verdicts.md, "Two versions"."""

REGRESSION: Final[ChangeName] = "new_bottleneck"

MEASURES: Final = (("promise", "promise_interval"), ("score", "score_interval"))
"""What layers are compared by, the first that both analyses have, and its interval."""

DECISIVE: Final = ("method", "gate", "loss", "curvature", "rule")
"""The options on which the measures depend: with others, only verdicts can be compared."""

ASIDE: Final = frozenset({"model_id", "source_id", "build", "init", "plans", "advise"})
"""The options that do not bear on what layers are worth, and what differs between versions."""

Row = Mapping[str, Any]
"""A layer, a plan or the like as the API and the library give it, in JSON."""

Interval = Sequence[float]


@dataclass(frozen=True)
class Change:
    """What became of a layer; verdicts, widths and values are [before, after], or None there.

    `measure` is what `values` and their 95 % `intervals` are, None where nothing is comparable.
    """

    name: str
    change: ChangeName
    verdicts: tuple[str | None, str | None]
    widths: tuple[int | None, int | None]
    measure: str | None = None
    values: tuple[float, float] | None = None
    intervals: tuple[Interval, Interval] | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    before: Iterable[Row], after: Iterable[Row], *, same_measure: bool = True
) -> list[Change]:
    """Return what became of each layer: those of `after` in its order, then those removed.

    `worse` and `better` are said only where the intervals of both do not touch, which is more
    cautious than a test of the difference at 5 %. `same_measure` is False if the analyses had
    other options of DECISIVE.

    >>> layer = {"name": "conv", "width": 6, "score": None, "promise": 5.0}
    >>> old = layer | {"verdict": "suspected", "promise_interval": [2.5, 7.0]}
    >>> new = layer | {"verdict": "bottleneck", "promise_interval": [4.0, 6.0]}
    >>> [(one.name, one.change) for one in compare([old], [new])]
    [('conv', 'new_bottleneck')]
    """
    earlier = {row["name"]: row for row in before}
    changes = [_change(earlier.pop(row["name"], None), row, same_measure) for row in after]
    return changes + [
        Change(name, "removed", (row["verdict"], None), (row["width"], None))
        for name, row in earlier.items()
    ]


def regressions(changes: Iterable[Change]) -> list[Change]:
    """Return the layers that are bottlenecks and were none, those that are new among them."""
    return [one for one in changes if one.verdicts[1] == "bottleneck" != one.verdicts[0]]


def differing(before: Row, after: Row, names: Iterable[str] = DECISIVE) -> list[str]:
    """Return the options of two requests that differ, as `method: sosp_i, then obs`, in JSON."""
    return [
        f"{name}: {text_of(before.get(name))}, then {text_of(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def _change(before: Row | None, after: Row, same_measure: bool) -> Change:
    if before is None:
        kind: ChangeName = "new_bottleneck" if after["verdict"] == "bottleneck" else "added"
        return Change(after["name"], kind, (None, after["verdict"]), (None, after["width"]))
    verdicts = before["verdict"], after["verdict"]
    widths = before["width"], after["width"]
    measured = _measured(before, after) if same_measure else None
    if measured is None:
        return Change(after["name"], _kind(verdicts, None), verdicts, widths)
    measure, values, intervals = measured
    kind = _kind(verdicts, intervals)
    return Change(after["name"], kind, verdicts, widths, measure, values, intervals)


def _measured(
    before: Row, after: Row
) -> tuple[str, tuple[float, float], tuple[Interval, Interval]] | None:
    for name, interval in MEASURES:
        values = before.get(name), after.get(name)
        intervals = before.get(interval), after.get(interval)
        if None not in (*values, *intervals):
            return name, values, intervals  # type: ignore[return-value]  # none is None
    return None


def _kind(verdicts: tuple[str, str], intervals: tuple[Interval, Interval] | None) -> ChangeName:
    was, is_now = (verdict == "bottleneck" for verdict in verdicts)
    if is_now and not was:
        return "new_bottleneck"
    if "undecided" in verdicts:
        return "unknown"
    if was and not is_now:
        return "resolved"
    if intervals is None:
        return "same" if verdicts[0] == verdicts[1] == "not_prunable" else "unknown"
    (low, high), (new_low, new_high) = intervals
    if new_low > high:
        return "worse"
    return "better" if new_high < low else "same"
