"""The result of a trial: all runs, what they say together, and the trained networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

from narrows.arguments import require_choice
from narrows.trials.errors import TrialError
from narrows.trials.result import RunResult, Trained
from narrows.trials.summary import VariantSummary, summarize
from narrows.trials.trainable import REMARK, PutBack

COLUMNS = ("variant", "parameters", "loss", "accuracy", "gain", "95 %")


@dataclass(frozen=True)
class Trial:
    """All runs of a trial, by variant and seed; print it to see what was gained.

    `left_out` says why a variant was not trained. `put_back` are the calls that ran in train mode.
    """

    runs: Sequence[RunResult]
    left_out: Mapping[str, str] = field(default_factory=dict)
    put_back: Sequence[PutBack] = ()
    networks: Mapping[tuple[str, int], Trained] = field(default_factory=dict)

    @cached_property
    def summary(self) -> list[VariantSummary]:
        """What the runs say of each variant, `original` first."""
        return summarize(self.runs)

    def network(self, variant: str, seed: int | None = None) -> Trained:
        """Return a trained network; `seed` None is the first one.

        Raises ArgumentError for a variant that there is not, and TrialError where that run ended
        with an error.
        """
        require_choice("variant", variant, list(dict.fromkeys(run.variant for run in self.runs)))
        seeds = [run.seed for run in self.runs if run.variant == variant]
        wanted = seeds[0] if seed is None else seed
        if wanted not in seeds:
            raise TrialError(f"there is no seed {wanted!r}; choose from {seeds}")
        if (variant, wanted) not in self.networks:
            error = next(r.error for r in self.runs if (r.variant, r.seed) == (variant, wanted))
            raise TrialError(f"{variant!r} with seed {wanted} has no network: {error}")
        return self.networks[variant, wanted]

    def to_dict(self) -> dict[str, Any]:
        """Return all results in the API's shapes, ready for JSON."""
        return {
            "variants": [of_variant.to_dict() for of_variant in self.summary],
            "runs": [run.to_json() for run in self.runs],
            "left_out": dict(self.left_out),
            "put_back": [call.to_dict() for call in self.put_back],
            "remark": REMARK,
        }

    def __repr__(self) -> str:
        rows = [COLUMNS, *map(cells, self.summary)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                text.rjust(width) if index else text.ljust(width)
                for index, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *self._foot()])

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows; all texts are escaped."""
        head = _html_row("th", COLUMNS)
        body = "".join(_html_row("td", cells(of_variant)) for of_variant in self.summary)
        foot = "".join(f"<p>{escape(line)}</p>" for line in self._foot())
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{foot}"

    def _foot(self) -> list[str]:
        seeds = len({run.seed for run in self.runs})
        one = "" if seeds > 1 else "; with a single seed there is no interval"
        lines = [f"{seeds} seeds; a gain is the fall of the held-out loss against original{one}"]
        lines += [f"{name} was left out: {reason}" for name, reason in self.left_out.items()]
        for row in self.summary:
            lines += [f"{row.name}, seed {seed}: {error}" for seed, error in row.errors.items()]
        return lines


def cells(row: VariantSummary) -> tuple[str, ...]:
    """Return a variant's row as texts, one for each of `COLUMNS`.

    >>> from narrows.trials.summary import Mean
    >>> gain = Mean(0.0123, (0.004, 0.0206), 3)
    >>> cells(VariantSummary("double", 1200, 0, Mean(0.25, None, 3), None, gain, None, {}))
    ('double', '1,200', '0.2500', '', '+0.0123', '+0.0040 to +0.0206')
    """
    interval = row.gain.interval if row.gain else None
    return (
        row.name,
        "" if row.parameters is None else f"{row.parameters:,}",
        f"{row.loss.value:.4f}" if row.loss else "",
        f"{row.accuracy.value:.2%}" if row.accuracy else "",
        f"{row.gain.value:+.4f}" if row.gain else "",
        f"{interval[0]:+.4f} to {interval[1]:+.4f}" if interval else "",
    )


def _html_row(tag: str, texts: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(text)}</{tag}>' for text in texts)}</tr>"
