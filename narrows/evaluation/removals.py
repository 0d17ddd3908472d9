"""What a removal costs: the measured score of the pruned network, at one ratio or at many.

See docs/verdicts.md, "What pruning costs".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from narrows.evaluation.baseline import Baseline
from narrows.evaluation.score import Score

RATIOS: tuple[float, ...] = tuple(round(0.1 * k, 1) for k in range(1, 10))
"""The global pruning ratios that are measured: 0.1, 0.2, … 0.9."""
LEAST_KEPT = 0.5
"""The least share of its gain over the baseline that a network keeps before the cliff."""


@dataclass(frozen=True)
class Effect:
    """The scores of a network before and after a change, on the same samples.

    >>> baseline = Baseline(Score(2.3, 0.1), "constant")
    >>> print(Effect(Score(0.4, 0.85), Score(2.2, 0.14), baseline).remark)
    beyond the cliff: loss 0.4, accuracy 85.0% becomes loss 2.2, accuracy 14.0%
    >>> Effect(Score(0.4, 0.85), Score(0.5, 0.82), baseline)
    Effect(loss 0.4, accuracy 85.0% → loss 0.5, accuracy 82.0%)
    >>> Effect(Score(0.5), Score(1.25), Baseline(Score(2.0), "constant")).kept
    0.5
    """

    before: Score
    after: Score
    baseline: Baseline | None = None

    def __repr__(self) -> str:
        warning = "; beyond the cliff" if self.remark else ""
        return f"Effect({self.before} → {self.after}{warning})"

    @property
    def kept(self) -> float | None:
        """The share of the gain over the baseline that is left; None where none was made before.

        It is `(baseline − after) / (baseline − before)`, in losses.
        """
        if self.baseline is None or self.baseline.doubt(self.before):
            return None
        baseline, before, after = self.baseline.score.loss, self.before.loss, self.after.loss
        return (baseline - after) / (baseline - before) if baseline > before else None

    @property
    def remark(self) -> str | None:
        """A warning where less than half of what the network had learned is left."""
        if self.kept is None or self.kept >= LEAST_KEPT:
            return None
        return f"beyond the cliff: {self.before} becomes {self.after}"

    def to_dict(self) -> dict[str, Any]:
        """Return the effect in the API's shape."""
        before, after = self.before.to_dict(), self.after.to_dict()
        return {"before": before, "after": after, "remark": self.remark}


@dataclass(frozen=True)
class Removals:
    """The measured effect of global prunings by growing ratios; None where one can't be built.

    >>> before, baseline = Score(0.0), Baseline(Score(1.0), "constant")
    >>> effects = [Effect(before, Score(loss), baseline) for loss in (0.1, 0.4, 0.7)]
    >>> Removals(tuple(zip((0.1, 0.2, 0.3), effects))).cliff
    0.2
    """

    effects: tuple[tuple[float, Effect | None], ...]

    @cached_property
    def cliff(self) -> float | None:
        """The largest ratio up to which half of the gain over the baseline is kept; 0.0 if none.

        None where nothing was measured, or the network had no gain to lose.
        """
        known = [(r, effect) for r, effect in self.effects if effect and effect.kept is not None]
        if not known:
            return None
        return max(_before_the_cliff(known), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the rows and the cliff in the API's shape."""
        rows = [
            {"ratio": ratio, **effect.after.to_dict()} for ratio, effect in self.effects if effect
        ]
        return {"removals": rows, "cliff": self.cliff}


def _before_the_cliff(effects: Iterable[tuple[float, Effect]]) -> Iterable[float]:
    for ratio, effect in effects:
        if effect.remark:
            return
        yield ratio
