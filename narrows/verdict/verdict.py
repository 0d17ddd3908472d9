"""The verdict on a layer."""

from dataclasses import dataclass
from typing import NamedTuple, TypedDict

from narrows.verdict.jackknife import Interval
from narrows.vocabulary import VerdictName


class Finding(NamedTuple):
    """What a rule says of a layer, why, and how many samples would settle a suspicion."""

    verdict: VerdictName
    because: str
    samples_needed: int | None = None


class Removed(TypedDict):
    """What a global pruning does to a layer; the keys are fields of `Verdict`."""

    pruning_ratio: float
    interval: Interval | None
    p_value: float
    score: float
    score_interval: Interval | None


@dataclass(frozen=True)
class Verdict:
    """The verdict on a layer, and what a global pruning does to it.

    `pruning_ratio` is the share of its channels that the global pruning removes; `score` the mean
    rank of its structures, from 0 (all go first) to 1 (all stay longest), with the average ½; both
    with their 95 % intervals, None where there are too few batches. `p_value` is the probability of
    so low a ratio for channels drawn at random, adjusted for the number of layers. `promise` says
    how many times as much one more channel promises as in comparable layers. `because` is the
    reason of the verdict, and `samples_needed` the number of samples that would settle a suspicion.
    """

    verdict: VerdictName
    pruning_ratio: float | None = None
    interval: Interval | None = None
    p_value: float | None = None
    score: float | None = None
    score_interval: Interval | None = None
    promise: float | None = None
    promise_interval: Interval | None = None
    because: str | None = None
    samples_needed: int | None = None
