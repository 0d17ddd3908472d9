"""The advised plan: widen where a channel is worth most for what it costs, within a budget.

A layer gains what its channels are worth times its growth, the added channels over those that it
has. Wider by the factor k, a channel is worth v / k, since copies share what it was worth, and one
more is less growth. So from n to n' channels it gains `v · (1 − n / n')` in all. Steps are taken
one by one, the largest gain over cost first.

See docs/method.md, "Advise".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heapify, heappop, heappush

from narrows.methods import ties
from narrows.plans.budget import copies_for_widths, largest_factor
from narrows.plans.planner import MOST, Plan, Planner
from narrows.vocabulary import ADVISE, BudgetKind

Widths = dict[int, int]
"""The number of structures of each group."""
Offer = tuple[float, int, int]
"""A step: minus the gain over cost, the priority among equals, and the group."""

MULTIPLE = 8
"""What hardware likes: widths that are multiples of this …"""
FROM = 64
"""… from so many channels on."""


def unchanged(planner: Planner, why: str) -> Plan:
    """Return the plan that changes nothing, with the reason."""
    return replace(planner.custom({}, ADVISE), because=f"It changes nothing: {why}")


@dataclass(frozen=True)
class Advisor:
    """Spends `budget`, a share of the network's `cost`, where it promises most.

    `values` says for each group what a channel is worth at its present width. New widths are
    multiples of `multiple`, in channels; None: of 8 from 64 channels on. Groups that norms over
    channels read stay, unless there are no others (`Planner.widenable`).

    Below, half of four parameters pay for a third neuron:

    >>> import numpy as np
    >>> from narrows.example import two_neurons
    >>> planner = Planner(*two_neurons(), rank=np.array([0, 1]))
    >>> plan = Advisor(planner, {0: 1.0}, budget=0.5, cost="parameters").plan()
    >>> plan.copies, plan.before.parameters, plan.after.parameters
    (array([1, 2]), 4, 6)
    """

    planner: Planner
    values: Mapping[int, float]
    budget: float
    cost: BudgetKind
    multiple: int | None = None
    seed: int = 0

    def plan(self) -> Plan:
        """Return the greedy widths, or the uniform ones where these promise as much."""
        greedy, uniform = self.greedy(), self.uniform()
        promised, least = self.gain(greedy), self.gain(uniform)
        better = promised > least * (1 + ties.EPSILON)
        widths = greedy if better else uniform
        if widths == self._start:
            return unchanged(self.planner, "no wider layers within the budget promise anything.")
        if not better:
            why = "It widens all layers alike: by their worth, nothing else promises more."
        elif least:
            times = f"{promised / least:.1f} times what uniform ones do"
            why = f"By worth, its widths promise {times}: an order of plans, no forecast."
        else:
            why = "By worth, its widths promise a gain; no uniform ones fit into the budget."
        copies = copies_for_widths(self.planner.channels, self.planner.rank, widths)
        return replace(self.planner.resized(ADVISE, copies), because=why)

    def gain(self, widths: Widths) -> float:
        """Return what these widths promise, in units of the loss; no forecast of a training."""
        return sum(
            self.values[group] * (1 - start / widths[group]) for group, start in self._start.items()
        )

    def greedy(self) -> Widths:
        """Return the widths after steps in the order of their gain over cost, until none fits."""
        widths, cost = dict(self._start), self._cost({})
        priority = ties.priorities(len(widths), self.seed)
        places = dict(zip(widths, priority.tolist(), strict=True))
        offers = [(-math.inf, place, group) for group, place in places.items()]
        heapify(offers)
        while offers:
            *_, group = heappop(offers)
            # Gains over cost only fall, and costs only rise: what is known of others is a bound.
            offer = self._offer(widths, cost, group, places[group])
            if offer is None:
                continue
            if not offers or offer <= offers[0]:
                widths[group] = self.next_width(group, widths[group])
                cost = self._cost(widths)
            heappush(offers, offer)
        return widths

    def uniform(self) -> Widths:
        """Return all widths times one factor, rounded down, within the same budget."""

        def widths(factor: float) -> Widths:
            return {
                group: self._rounded(group, int(factor * start))
                for group, start in self._start.items()
            }

        return widths(largest_factor(lambda f: self._cost(widths(f)) <= self._limit, 1.0, MOST))

    def next_width(self, group: int, width: int) -> int:
        """Return the next larger width of a group, in structures, that is a multiple."""
        step = self._step(group, width + 1)
        return (width // step + 1) * step

    def _offer(self, widths: Widths, cost: int, group: int, priority: int) -> Offer | None:
        """Return the group's next step; None where it is too dear, too wide or worth nothing.

        `cost` is that of the present widths.
        """
        width = widths[group]
        wider = self.next_width(group, width)
        more = self._cost(widths | {group: wider}) - cost
        gain = self.values[group] * self._start[group] * (1 / width - 1 / wider)
        if cost + more > self._limit or wider > MOST * self._start[group] or not more or not gain:
            return None
        return -float(f"{gain / more:.6g}"), priority, group  # equal up to rounding is equal

    def _rounded(self, group: int, width: int) -> int:
        step = self._step(group, width)
        return max(self._start[group], width // step * step)

    def _step(self, group: int, width: int) -> int:
        """Return what the group's structures must be a multiple of, at this width."""
        block = self._blocks[group]
        multiple = self.multiple or (MULTIPLE if width * block >= FROM else 1)
        return multiple // math.gcd(multiple, block)

    def _cost(self, widths: Widths) -> int:
        copies = copies_for_widths(self.planner.channels, self.planner.rank, widths)
        return int(getattr(self.planner.cost_of(copies), self.cost))

    @cached_property
    def _start(self) -> Widths:
        return {group: self.planner.width(group) for group in sorted(self.planner.widenable())}

    @cached_property
    def _limit(self) -> int:
        return int((1 + self.budget) * self._cost({}) * (1 + 1e-12))  # 1.1 · 10 is 11

    @cached_property
    def _blocks(self) -> dict[int, int]:
        """How many channels of a layer go with a structure of each group."""
        channels = self.planner.channels
        sizes = channels.block_sizes()
        return {g: int(sizes[channels.groups == g].max()) for g in self._start}
