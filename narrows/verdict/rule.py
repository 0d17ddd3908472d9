"""Verdicts on layers, by the rule `worth` or by the rule `pruning_ratio`.

Whatever the rule, every layer has what a global pruning does to it, and where the method measures
worth, what one more channel promises. A layer that the pruning takes nearly whole is redundant by
both rules. No rule speaks where the data allow no verdict.

See docs/method.md, "From saliencies to verdicts".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from narrows.methods.ranking import PruningOrder
from narrows.verdict.comparable import Cases
from narrows.verdict.jackknife import MIN_BATCHES
from narrows.verdict.promise import HIGH, Promise, promises
from narrows.verdict.pruning_ratio import Pruning
from narrows.verdict.verdict import Finding, Verdict
from narrows.verdict.worth import Worth
from narrows.vocabulary import RuleName

ALONE = "there is no comparable layer to hold it against"
DEAD = "none of its channels changes the loss"
FEW = f"fewer than {MIN_BATCHES} batches tell nothing of certainty; use more samples"


@dataclass(frozen=True)
class Judge:
    """Judges layers at a global pruning `ratio`; layers with the same structures are one case.

    `order` comes from all `samples`, `replicates` without groups of them. The rule `worth` needs
    the `worth` of structures; a bottleneck promises at least `least_promise`. Every verdict is
    withheld (`undecided`) where there is a `doubt`, the reason why the analysis may say nothing of
    the network, without replicates, and where there is no layer to compare with:

    >>> import numpy as np
    >>> from narrows.methods.ranking import ranked
    >>> cases = Cases({b"hidden": np.array([0, 1])}, {b"hidden": (False, False)})
    >>> order = ranked(np.array([2.0, 1.0]))
    >>> verdict = Judge(order, [order, order], ratio=0.5, samples=1).verdicts(cases)[b"hidden"]
    >>> verdict.score, verdict.verdict
    (0.5, 'undecided')

    See docs/method.md, "From saliencies to verdicts".
    """

    order: PruningOrder
    replicates: Sequence[PruningOrder]
    ratio: float
    samples: int
    doubt: str | None = None
    rule: RuleName = "pruning_ratio"
    worth: Worth | None = None
    least_promise: float = HIGH

    def verdicts(self, cases: Cases) -> dict[bytes, Verdict]:
        """Return the verdict on each case."""
        pruning = Pruning(cases, self.order, self.replicates, self.ratio)
        alive = cases.without(pruning.dead)
        promised = promises(self.worth, alive) if self.worth else {}
        return {
            case: Verdict(
                **self._finding(case, pruning, promised.get(case))._asdict(),
                **pruning.numbers(case),
                **(promised[case].numbers() if case in promised else {}),
            )
            for case in cases.owned
        }

    def _finding(self, case: bytes, pruning: Pruning, promise: Promise | None) -> Finding:
        if withheld := self.doubt or (None if self.replicates else FEW):
            return Finding("undecided", withheld)
        if case in pruning.dead:
            return Finding("redundant", DEAD)
        pruned = pruning.evidence(case)
        finding: Finding | None = None
        if self.rule == "worth" and promise:
            finding = promise.finding(self.samples, self.least_promise)
        elif self.rule == "pruning_ratio" and pruned:
            finding = pruned.finding(self.samples)
        if finding and finding.verdict == "balanced" and pruned and pruned.is_redundant:
            return Finding("redundant", str(pruned))
        return finding or Finding("undecided", ALONE)
