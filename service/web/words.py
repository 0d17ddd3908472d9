"""How times, sizes and states are written on pages."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from markupsafe import Markup, escape

from narrows.comparison import CHANGES, ChangeName
from narrows.report import html, texts
from narrows.report.stages import by_stage
from narrows.vocabulary import Stage, TrialStage
from narrows.wording import text_of

SIGNS: Final[Mapping[str, str]] = {
    "succeeded": "✓", "ready": "✓", "delivered": "✓", "done": "✓",
    "failed": "✗", "rejected": "✗",
    "cancelled": "–", "expired": "–",
}  # fmt: skip
"""A sign beside each state that ends something: colour alone is not seen by all."""


def moment(time: datetime | None) -> Markup | str:
    """Return a time as people read it, in UTC, with the exact one for programs."""
    if time is None:
        return ""
    text = time.strftime("%Y-%m-%d %H:%M")
    return Markup('<time datetime="{}" title="UTC">{}</time>').format(time.isoformat(), text)


def duration(seconds: float) -> str:
    """Return a duration in its two largest units.

    >>> duration(4.4), duration(130), duration(7300)
    ('4 s', '2 min 10 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole // 60 % 60} min"


def state(word: str) -> Markup:
    """Return a state with its sign and colour."""
    sign = SIGNS.get(word, "…")
    return Markup(
        '<span class="state is-{0}"><span aria-hidden="true">{1}</span> {0}</span>'
    ).format(escape(word), sign)


def written(value: Any) -> str:
    """Return an option of a request as text.

    >>> written(["double", {"name": "mine", "factors": {"conv1": 1.5}}]), written({"budget": 0.1})
    ('double, mine (conv1 1.5)', 'budget 0.1')
    """
    if isinstance(value, list):
        return ", ".join(map(written, value))
    if isinstance(value, dict) and {*value} == {"name", "factors"}:
        return f"{value['name']} ({written(value['factors'])})"
    if isinstance(value, dict):
        return ", ".join(f"{key} {written(item)}" for key, item in value.items())
    return text_of(value)


def changes_counted(changes: Iterable[Any]) -> list[tuple[ChangeName, int]]:
    """Return what became of layers, the most urgent first, with the number of layers."""
    found = Counter(one.change for one in changes)
    return [(change, found[change]) for change in CHANGES if found[change]]


GAIN_SIGNS: Final[Mapping[str, str]] = {"better": "✓", "worse": "△", "undecided": "?"}
"""A sign beside what is certain of a gain."""

CHANGE_SIGNS: Final[Mapping[ChangeName, str]] = {
    "new_bottleneck": "▲", "worse": "△", "resolved": "✓", "better": "✓",
    "same": "=", "unknown": "?", "added": "+", "removed": "−",
}  # fmt: skip
"""A sign beside what became of a layer."""

STAGE_WORDS: Final[Mapping[Stage, str]] = {
    "queued": "Waiting",
    "plan": "First look",
    "shards": "Measuring",
    "reduce": "Judging",
}
"""What is done in each stage of an analysis."""

TRIAL_STAGE_WORDS: Final[Mapping[TrialStage, str]] = {
    "analysis": "Analysing",
    "queued": "Waiting",
    "plan": "Preparing",
    "train": "Training",
    "reduce": "Comparing",
}
"""The same of a trial, in their order."""

FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    **html.FILTERS,
    "by_stage": by_stage,
    "counts": changes_counted,
    "duration": duration,
    "moment": moment,
    "signed": lambda value: f"{value:+.3g}",
    "signed_percent": lambda share: f"{share:+.1%}",
    "words_or_dash": lambda value: "–" if value is None else texts.words(str(value)),
    "state": state,
    "written": written,
}
