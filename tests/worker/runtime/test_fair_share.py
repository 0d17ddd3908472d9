"""Fair queueing on numbers alone: simulated workers, owners and costs."""

import heapq
from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.runtime.fair_share import FIRST_GUESS, TRAINING_PART, Account, next_owner

LONGEST = 8.0
costs = st.lists(st.floats(0.2, LONGEST), min_size=1, max_size=8)


@dataclass
class Cluster:
    """Workers that take pieces of owners who always have work, each owner with costs in turn."""

    costs: dict[str, list[float]]
    workers: int
    accounts: dict[str, Account] = field(default_factory=lambda: defaultdict(Account))
    virtual_time: float = 0.0
    now: float = 0.0

    def __post_init__(self) -> None:
        self.served: dict[str, float] = dict.fromkeys(self.costs, 0.0)
        self.turns: list[tuple[float, str]] = []
        self._taken: dict[str, int] = dict.fromkeys(self.costs, 0)
        self._busy: list[tuple[float, str, float, float]] = []

    def run(self, until: float) -> None:
        while self.now < until:
            while len(self._busy) < self.workers:
                self._begin()
            self.now, owner, charged, cost = heapq.heappop(self._busy)
            self.served[owner] += cost
            self.accounts[owner].settle("shard", charged, cost)

    def _begin(self) -> None:
        owner = next_owner({name: self.accounts[name] for name in self.costs}, self.virtual_time)
        account = self.accounts[owner]
        charged = account.cost("shard")
        self.virtual_time = account.charge(self.virtual_time, "shard", training=None)
        cost = self.costs[owner][self._taken[owner] % len(self.costs[owner])]
        self._taken[owner] += 1
        self.turns.append((self.now, owner))
        heapq.heappush(self._busy, (self.now + cost, owner, charged, cost))


@settings(deadline=None, max_examples=50)
@given(st.lists(costs, min_size=2, max_size=5), st.integers(1, 4), st.floats(1, 60))
def test_owners_get_the_same_to_within_a_few_pieces(
    each: list[list[float]], workers: int, until: float
) -> None:
    cluster = Cluster({f"o{n}": list(one) for n, one in enumerate(each)}, workers)
    cluster.run(until)
    # What is in the workers' hands is not served yet, and was charged by a guess.
    bound = (2 * workers + 2) * max(LONGEST, FIRST_GUESS)
    assert max(cluster.served.values()) - min(cluster.served.values()) <= bound


@settings(deadline=None, max_examples=50)
@given(costs, costs, st.integers(1, 4), st.floats(1, 60))
def test_a_newcomer_is_next_and_has_saved_nothing(
    old: list[float], new: list[float], workers: int, before: float
) -> None:
    cluster = Cluster({"old": list(old)}, workers)
    cluster.run(before)
    cluster.costs["new"], cluster.served["new"] = list(new), 0.0
    cluster._taken["new"] = 0
    had, turns = cluster.served["old"], len(cluster.turns)
    cluster.run(cluster.now + 1)
    assert cluster.turns[turns][1] == "new"
    cluster.run(cluster.now + 60)
    lag = (cluster.served["old"] - had) - cluster.served["new"]
    assert abs(lag) <= (2 * workers + 2) * max(LONGEST, FIRST_GUESS)


@settings(deadline=None, max_examples=50)
@given(st.floats(0.05, 2.0), st.floats(1.0, 40.0))
def test_trainings_get_their_part_and_no_more(shard: float, segment: float) -> None:
    account = Account(seconds={"shard": shard, "train": segment})
    served = {"shard": 0.0, "train": 0.0}
    virtual_time = 0.0
    while sum(served.values()) < 50 * segment:
        task = "train" if account.is_due("train") else "shard"
        virtual_time = account.charge(virtual_time, task, training="train")
        served[task] += account.seconds[task]
    part = TRAINING_PART * sum(served.values())
    assert part - segment - shard <= served["train"] <= part + segment


def test_trainings_save_nothing_while_none_waits() -> None:
    account = Account(seconds={"train": 1.0})
    for _ in range(100):
        account.charge(0.0, "shard", training=None)
    assert not account.is_due("train")
    for _ in range(9):
        account.charge(0.0, "shard", training="train")
    assert account.is_due("train")


def test_what_is_expected_follows_what_was_measured() -> None:
    account = Account()
    assert account.cost("shard") == FIRST_GUESS
    for _ in range(5):
        account.settle("shard", account.cost("shard"), 4.0)
    assert account.cost("shard") == 4.0
    account.settle("shard", account.cost("shard"), 2.0)
    assert 2.0 < account.cost("shard") < 4.0
